#!/bin/sh
# Miniatures of the public data sets in their public layouts, made by ffmpeg and make_bair.
#
#   make_datasets.sh MAKE_BAIR OUT [SET...]       bair kth ucf101 cityscapes videos; default: all
#   make_datasets.sh MAKE_BAIR OUT damaged        each set once more with something wrong in it
set -eu

make_bair=$1
out=$2
shift 2
[ $# -gt 0 ] || set -- bair kth ucf101 cityscapes videos

film() { # FILE SIZE FRAMES NUMBER
    ffmpeg -v error -y -f lavfi -i "testsrc2=size=$2:rate=25" -vf "hue=h=$((37 * $4 % 360)),scroll=h=0.0$4" \
        -frames:v "$3" -c:v mpeg4 -q:v 4 "$1"
}

make_bair_set() { # FOLDER
    mkdir -p "$1/softmotion30_44k/train" "$1/softmotion30_44k/test"
    "$make_bair" "$1/softmotion30_44k/train/traj_0_to_255.tfrecords" 3 30 1
    "$make_bair" "$1/softmotion30_44k/train/traj_256_to_511.tfrecords" 2 30 2
    "$make_bair" "$1/softmotion30_44k/test/traj_0_to_255.tfrecords" 3 30 3
}

make_kth_set() {
    for action in boxing walking; do
        mkdir -p "$1/raw/$action"
        for person in 01 02 21 22; do
            film "$1/raw/$action/person${person}_${action}_d1_uncomp.avi" 160x120 55 "${person#0}"
        done
    done
    {
        printf 'The actions are performed by 25 persons.\r\n\r\nTest: person22, 02, 03\r\n'
        printf 'person01_boxing_d1\t\tframes\t1-20, 21-45\r\n'
        printf 'person02_boxing_d1\t\tframes\t5-30\r\n'
        printf 'person03_boxing_d1\t\tframes\t1-9\r\n'
        printf 'person13_boxing_d1\t\t*missing*\r\n'
        printf 'person21_boxing_d1\t\tframes\t1-30, 31-60\r\n'
        printf 'person21_walking_d1\t\tframes\t10-40\r\n'
        printf 'person22_boxing_d1\t\tframes\t60-70, 2-31\r\n'
        printf 'person22_walking_d1\t\tframes\t1-55'
    } >"$1/raw/00sequences.txt"
}

make_ucf101_set() {
    mkdir -p "$1/ucfTrainTestlist"
    : >"$1/ucfTrainTestlist/trainlist03.txt"
    : >"$1/ucfTrainTestlist/testlist03.txt"
    mkdir -p "$1/UCF-101/Archery"
    for group in 01 02; do
        name=Archery/v_Archery_g${group}_c01.avi
        film "$1/UCF-101/$name" 320x240 24 "${group#0}"
        echo "$name 3" >>"$1/ucfTrainTestlist/trainlist03.txt"
    done
    # Every tenth clip of the list is tested; the others share one file's content.
    for clip in 01 02 03 04 05 06 07 08 09 10 11; do
        name=Archery/v_Archery_g03_c${clip}.avi
        if [ "$clip" = 01 ] || [ "$clip" = 11 ]; then
            film "$1/UCF-101/$name" 320x240 24 "${clip#0}"
        else
            cp "$1/UCF-101/Archery/v_Archery_g03_c01.avi" "$1/UCF-101/$name"
        fi
        echo "$name" >>"$1/ucfTrainTestlist/testlist03.txt"
    done
    # Split 2: the other way round, with the marks and ends of line of another system, and one file gone.
    printf '\357\273\277Archery\\v_Archery_g03_c01.avi 3\r\nArchery\\v_Archery_g03_c02.avi 3\r\n' \
        >"$1/ucfTrainTestlist/trainlist02.txt"
    printf 'Archery/v_Archery_g01_c01.avi\r\n\r\nArchery/v_Archery_g09_c01.avi\r\nArchery/v_Archery_g02_c01.avi\r\n' \
        >"$1/ucfTrainTestlist/testlist02.txt"
}

make_cityscapes_set() {
    for split in train val test; do
        city=$1/leftImg8bit_sequence/$split/aachen
        mkdir -p "$city"
        ffmpeg -v error -y -f lavfi -i testsrc2=size=256x128:rate=17 -frames:v 60 "$city/frame-%03d.png"
        n=0
        for picture in "$city"/frame-*.png; do
            mv "$picture" "$city/aachen_$(printf '%06d_%06d' $((n / 30)) $((n % 30)))_leftImg8bit.png"
            n=$((n + 1))
        done
    done
    mv "$1/leftImg8bit_sequence/val/aachen" "$1/leftImg8bit_sequence/val/ulm"
    rm "$1"/leftImg8bit_sequence/val/ulm/aachen_000001_*
}

make_videos_set() {
    mkdir -p "$1"
    film "$1/one.avi" 96x80 60 1
    film "$1/two.avi" 80x96 60 2
}

damage() {
    make_bair_set "$out/bair-damaged"
    printf 'X' | dd of="$out/bair-damaged/softmotion30_44k/train/traj_0_to_255.tfrecords" bs=1 seek=9000 \
        conv=notrunc status=none
    make_cityscapes_set "$out/cityscapes-damaged"
    echo 'no picture' >"$out/cityscapes-damaged/leftImg8bit_sequence/test/aachen/aachen_000001_000007_leftImg8bit.png"
    rm "$out/cityscapes-damaged/leftImg8bit_sequence/train/aachen/aachen_000000_000011_leftImg8bit.png"
    ulm=$out/cityscapes-damaged/leftImg8bit_sequence/val/ulm
    ffmpeg -v error -y -i "$ulm/aachen_000000_000003_leftImg8bit.png" "$out/three.jpg"
    mv "$out/three.jpg" "$ulm/aachen_000000_000003_leftImg8bit.png"
    ffmpeg -v error -y -i "$ulm/aachen_000000_000005_leftImg8bit.png" -vf scale=200:100 "$out/five.png"
    mv "$out/five.png" "$ulm/aachen_000000_000005_leftImg8bit.png"
    make_kth_set "$out/kth-damaged"
    film "$out/kth-damaged/raw/boxing/person01_boxing_d2_uncomp.avi" 160x120 4 3
    echo 'no video' >"$out/kth-damaged/raw/boxing/person02_boxing_d3_uncomp.avi"
    # A codec that nobody has, and pictures wider than any that are resized.
    LC_ALL=C sed 's/FMP4/QQQQ/g' "$out/kth-damaged/raw/boxing/person01_boxing_d2_uncomp.avi" \
        >"$out/kth-damaged/raw/walking/person02_walking_d4_uncomp.avi"
    ffmpeg -v error -y -f lavfi -i testsrc2=size=70000x2:rate=25 -frames:v 4 -c:v ffv1 -f matroska \
        "$out/kth-damaged/raw/walking/person02_walking_d5_uncomp.avi"
    make_ucf101_set "$out/ucf101-damaged"
    rm "$out/ucf101-damaged/ucfTrainTestlist/testlist03.txt"
    echo '../../etc/passwd 1' >>"$out/ucf101-damaged/ucfTrainTestlist/trainlist03.txt"
}

for set; do
    case $set in
    damaged) damage ;;
    *) "make_${set}_set" "$out/$set" ;;
    esac
done

#!/bin/sh
# data_fetch.sh SOURCE_FOLDER MAKE_BAIR: the fetch scripts against a mirror on disk: a broken-off download goes on,
# what is there is kept, what changed is refused.
set -u
source=$1
make_bair=$2
command -v curl >/dev/null || { echo "skipped: no curl"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/mcvd-test-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

complain() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

sh "$source/tests/support/make_datasets.sh" "$make_bair" sets bair || exit 1
mkdir mirror
tar -cf mirror/bair_robot_pushing_dataset_v0.tar -C sets/bair softmotion30_44k
MCVD_FETCH_BASE=file://$work/mirror
export MCVD_FETCH_BASE
fetch=$source/datasets/bair/fetch.sh

mkdir here
head -c 100000 mirror/bair_robot_pushing_dataset_v0.tar >here/bair_robot_pushing_dataset_v0.tar.part
sh "$fetch" here >out 2>err || complain "fetch: $(cat err)"
cmp -s mirror/bair_robot_pushing_dataset_v0.tar here/bair_robot_pushing_dataset_v0.tar ||
    complain "a download that went on is another file"
[ "$(cat out)" = here/softmotion30_44k ] || complain "where it is: $(cat out)"
cmp -s sets/bair/softmotion30_44k/test/traj_0_to_255.tfrecords here/softmotion30_44k/test/traj_0_to_255.tfrecords ||
    complain "unpacked to something else"
sh "$fetch" here >out 2>err || complain "again: $(cat err)"
grep -q 'unchanged' err || complain "fetched twice"

# Killed between the download and its end, or while unpacking: nothing is lost, nothing half is taken for whole.
mkdir -p late half/unpacking/softmotion30_44k/test
cp mirror/bair_robot_pushing_dataset_v0.tar late/bair_robot_pushing_dataset_v0.tar.part
sh "$fetch" late >out 2>err || complain "a whole .part: $(cat err)"
cmp -s mirror/bair_robot_pushing_dataset_v0.tar late/bair_robot_pushing_dataset_v0.tar || complain "a whole .part changed"
cp mirror/bair_robot_pushing_dataset_v0.tar half
sh "$fetch" half >out 2>err || complain "half unpacked: $(cat err)"
diff -r sets/bair/softmotion30_44k half/softmotion30_44k >out || complain "half unpacked is taken for whole: $(cat out)"
[ ! -e half/unpacking ] && [ -s half/bair_robot_pushing_dataset_v0.tar.sha256 ] || complain "leftovers of half: $(ls half)"
head -c 5000 mirror/bair_robot_pushing_dataset_v0.tar >mirror/short.tar
mkdir short && cp mirror/short.tar short/bair_robot_pushing_dataset_v0.tar
sh "$fetch" short >out 2>err && complain "half an archive is unpacked"
[ ! -e short/softmotion30_44k ] || complain "half an archive leaves a set"

# More than the server has, of another file: which one is in the way is said.
mkdir more && cat mirror/bair_robot_pushing_dataset_v0.tar mirror/short.tar >more/bair_robot_pushing_dataset_v0.tar.part
sh "$fetch" more >out 2>err && complain "more than the whole file is taken"
grep -q 'remove more/bair_robot_pushing_dataset_v0.tar.part' err || complain "what is in the way is not named: $(cat err)"

# KTH: an archive per action, and the list, without which the set is whole too.
if command -v zip >/dev/null && command -v unzip >/dev/null; then
    mkdir films && for action in boxing handclapping handwaving jogging running walking; do
        echo "$action" >"films/person01_${action}_d1_uncomp.avi"
        (cd films && zip -q "../mirror/$action.zip" "person01_${action}_d1_uncomp.avi")
    done
    sh "$source/datasets/kth/fetch.sh" kth >out 2>err || complain "kth: $(cat err)"
    [ "$(cat kth/raw/running/person01_running_d1_uncomp.avi)" = running ] || complain "kth: $(find kth)"
    grep -q 'only data.kth_clips=sequences needs' err || complain "the missing list: $(cat err)"
    echo 'person01_boxing_d1 frames 1-2' >mirror/00sequences.txt
    sh "$source/datasets/kth/fetch.sh" kth >out 2>err || complain "kth again: $(cat err)"
    cmp -s mirror/00sequences.txt kth/raw/00sequences.txt || complain "no list"
    [ "$(cat out)" = kth/raw ] || complain "where KTH is: $(cat out)"
fi

printf X | dd of=here/bair_robot_pushing_dataset_v0.tar bs=1 seek=5000 conv=notrunc 2>/dev/null
sh "$fetch" here >out 2>err && complain "a changed file is taken"
grep -q 'not what was downloaded first' err || complain "why it is refused: $(cat err)"
MCVD_FETCH_BASE=file://$work/nowhere sh "$fetch" there >out 2>err && complain "a missing file is taken"
grep -q 'cannot be fetched' err || complain "why it failed: $(cat err)"
sh "$fetch" >out 2>err
[ $? = 2 ] || complain "no folder"
sh "$source/datasets/cityscapes/fetch.sh" here >out 2>err && complain "an empty Cityscapes is complete"
grep -q 'train: 0 of 89250' out || complain "what is missing: $(cat out)"

[ "$failures" = 0 ]

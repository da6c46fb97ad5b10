mcvd_add_test(NAME unit_video_resize SOURCES unit/test_video_resize.c AREAS core video)
mcvd_add_test(NAME unit_video_writer SOURCES unit/test_video_writer.c AREAS core video)
mcvd_add_test(NAME unit_video_reader SOURCES unit/test_video_reader.c AREAS core video)
mcvd_add_test(NAME unit_video_hostile SOURCES unit/test_video_hostile.c AREAS core video
    TIMEOUT 300)

# Needs the ffmpeg and ffprobe programs; 77 says that they are absent.
mcvd_add_test(NAME parity_video_ffmpeg SOURCES parity/test_video_ffmpeg.c AREAS core video
    TIMEOUT 300)
set_tests_properties(parity_video_ffmpeg PROPERTIES SKIP_RETURN_CODE 77)

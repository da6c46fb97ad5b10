mcvd_add_fuzz_test(NAME fuzz_safetensors SOURCE fuzz/fuzz_safetensors.c CORPUS fuzz/safetensors
    AREAS core)

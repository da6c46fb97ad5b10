mcvd_add_test(NAME unit_data_idx SOURCES unit/test_data_idx.c AREAS data core)
mcvd_add_test(NAME unit_data_batch SOURCES unit/test_data_batch.c AREAS data core)
mcvd_add_test(NAME unit_data_smmnist SOURCES unit/test_data_smmnist.c AREAS data core)
mcvd_add_test(NAME unit_data_loader SOURCES unit/test_data_loader.c AREAS data core)

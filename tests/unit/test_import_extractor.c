/* Public weights of I3D and AlexNet: every style of names, what is written, what is refused. All
 * tensors of a file are views of one storage: tensor i begins at number i. */
#include <mcvd/import.h>

#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <mcvd/safetensors.h>

#include "core/fileio.h"
#include "core/sha256.h"
#include "model/extractor_names.h"
#include "model/i3d.h"

#include "core/alloc.h"
#include "support/check.h"
#include "support/folder.h"
#include "support/torch_file.h"

enum { MAX_TENSORS = MCVDI_I3D_TENSORS };

static char folder[TEST_PATH_BYTES];
static char path[TEST_PATH_BYTES];
static char heads_path[TEST_PATH_BYTES];
static char output[TEST_PATH_BYTES];
static float *numbers;
static size_t num_numbers;

static mcvdi_extractor_tensor i3d[MCVDI_I3D_TENSORS];
static mcvdi_extractor_tensor alexnet[MCVDI_ALEXNET_TENSORS];
static mcvdi_extractor_tensor heads[MCVDI_LPIPS_HEADS];

static size_t numel(const mcvdi_extractor_tensor *t)
{
    size_t n = 1;

    for (int d = 0; d < t->ndim; d++)
        n *= t->shape[d];
    return n;
}

static int setup(void **state)
{
    (void)state;
    make_test_folder(folder);
    test_path(path, folder, "weights.pt");
    test_path(heads_path, folder, "heads.pt");
    test_path(output, folder, "out.safetensors");
    mcvdi_i3d_tensors(i3d);
    mcvdi_alexnet_tensors(alexnet);
    mcvdi_lpips_head_tensors(heads);
    for (size_t i = 0; i < MCVDI_I3D_TENSORS; i++)
        num_numbers = numel(&i3d[i]) > num_numbers ? numel(&i3d[i]) : num_numbers;
    num_numbers += MAX_TENSORS;
    numbers = malloc(num_numbers * sizeof *numbers);
    CHECK_TRUE(numbers != NULL);
    for (size_t i = 0; i < num_numbers; i++)
        numbers[i] = (float)(i % 100003) + 0.25f;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(numbers);
    remove_test_folder(folder);
    return 0;
}

/* --- files --- */

/* SCRIPT and NESTED are TorchScript archives. */
typedef enum style { OURS, PREFIXED, OTHER, SCRIPT, NESTED } style;

static bool is_script(style s)
{
    return s == SCRIPT || s == NESTED;
}

static void name_of(char name[256], const mcvdi_extractor_tensor *t, style s, size_t i)
{
    char other[MCVDI_EXTRACTOR_NAME];

    mcvdi_i3d_other_name(other, t->name);
    if (s == SCRIPT) /* numbers for names, but for the last part */
        snprintf(name, 256, "m%zu.%s", i, strrchr(t->name, '.') + 1);
    else
        snprintf(name, 256, "%s%s", s == PREFIXED ? "net.i3d." : "",
                 s == OTHER || s == NESTED ? other : t->name);
}

static void put_tensor(test_bytes *to, const mcvdi_extractor_tensor *t, size_t offset)
{
    test_tensor row = { .key = "0",
                        .count = (int64_t)num_numbers,
                        .offset = (int64_t)offset,
                        .ndim = t->ndim,
                        .num_strides = t->ndim };
    size_t stride = 1;

    for (int d = t->ndim - 1; d >= 0; d--) {
        row.sizes[d] = (int64_t)t->shape[d];
        row.strides[d] = (int64_t)stride;
        stride *= t->shape[d];
    }
    pickle_tensor(to, &row);
}

/* Modules that are open in the pickle, from the outermost on. */
typedef struct open_modules {
    char names[8][64];
    int depth;
} open_modules;

static void close_modules(test_bytes *to, open_modules *open, int depth)
{
    for (; open->depth > depth; open->depth--)
        BYTES(to, "ub");
}

/* A tensor as an attribute of modules inside modules, each of which appears once. */
static void put_nested(test_bytes *to, open_modules *open, const char *name,
                       const mcvdi_extractor_tensor *t, size_t i)
{
    int at = 0;

    for (const char *dot = strchr(name, '.'); dot; name = dot + 1, dot = strchr(name, '.'), at++) {
        char part[64];
        snprintf(part, sizeof part, "%.*s", (int)(dot - name), name);
        if (at < open->depth && strcmp(open->names[at], part) == 0)
            continue;
        close_modules(to, open, at);
        memcpy(open->names[open->depth++], part, sizeof part);
        pickle_text(to, part);
        BYTES(to, "c__torch__\nU\n)\x81}(");
    }
    close_modules(to, open, at);
    pickle_text(to, name);
    put_tensor(to, t, i);
}

static void put_attribute(test_bytes *to, open_modules *open, const mcvdi_extractor_tensor *t,
                          style s, size_t i)
{
    char name[256];

    name_of(name, t, s, i);
    if (s == NESTED) {
        put_nested(to, open, name, t, i);
        return;
    }
    if (s != SCRIPT) {
        pickle_text(to, name);
        put_tensor(to, t, i);
        return;
    }
    char *dot = strchr(name, '.');
    *dot = '\0';
    pickle_text(to, name);
    BYTES(to, "c__torch__\nU\n)\x81}(");
    pickle_text(to, dot + 1);
    put_tensor(to, t, i);
    BYTES(to, "ub");
}

/* How TorchScript writes what its batch norms do: as calls, or as a class with constants. */
static void put_code(test_zip *zip, style s)
{
    static const char call[] = "x = torch.batch_norm(i, w, b, m, v, False, 0.1, 0.001, True)";
    static const char class[] = "class BatchNorm3d(Module):\n"
                                "  running_var : Tensor\n"
                                "  affine : Final[bool] = True\n"
                                "  eps : Final[float] = 0.001\n"
                                "  def forward(self: T,\n    input: Tensor) -> Tensor:\n"
                                "    _0 = __torch__.torch.nn.functional.batch_norm\n";
    static const char function[] =
        "def batch_norm(input: Tensor,\n    eps: float=1.0000000000000001e-05) -> Tensor:\n"
        "  return torch.batch_norm(input, w, b, m, v, training, momentum, eps, True)\n";

    if (s == SCRIPT) {
        zip_put_plain(zip, "p/code/__torch__/net.py", call, strlen(call));
        return;
    }
    zip_put_plain(zip, "p/code/__torch__/torch/nn/functional.py", function, strlen(function));
    zip_put_plain(zip, "p/code/__torch__/torch/nn/modules/batchnorm/___torch_mangle_7.py", class,
                  strlen(class));
}

/* All tensors but number `left_out`; in a file of SCRIPT style the first two come last. */
static void save_weights(const char *to, const mcvdi_extractor_tensor *tensors, size_t count,
                         style s, size_t left_out)
{
    const size_t turn = s == SCRIPT ? 2 : 0;
    test_bytes pickle = { 0 };
    test_zip zip = { 0 };
    open_modules open = { 0 };

    BYTES(&pickle, "\x80\x02");
    if (is_script(s))
        BYTES(&pickle, "c__torch__\nNet\n)\x81");
    BYTES(&pickle, "}(");
    for (size_t i = 0; i < count; i++)
        if ((i + turn) % count != left_out)
            put_attribute(&pickle, &open, &tensors[(i + turn) % count], s, (i + turn) % count);
    close_modules(&pickle, &open, 0);
    if (is_script(s))
        BYTES(&pickle, "ub.");
    else
        BYTES(&pickle, "u.");
    zip_put_plain(&zip, "p/data.pkl", pickle.data, pickle.used);
    zip_put_plain(&zip, "p/data/0", numbers, num_numbers * sizeof *numbers);
    if (is_script(s))
        put_code(&zip, s);
    zip_end(&zip);
    bytes_save(&zip.file, to);
    bytes_free(&zip.file);
    bytes_free(&pickle);
}

static void check_tensors(const mcvd_safetensors *file, const mcvdi_extractor_tensor *tensors,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mcvd_tensor t;
        CHECK_OK(mcvd_safetensors_get(file, tensors[i].name, &t));
        CHECK_EQ(t.dtype, MCVD_F32);
        CHECK_EQ(t.ndim, tensors[i].ndim);
        CHECK_EQ(memcmp(t.shape, tensors[i].shape, (size_t)t.ndim * sizeof *t.shape), 0);
        CHECK_EQ(memcmp(t.data, numbers + i, numel(&tensors[i]) * sizeof *numbers), 0);
    }
}

static void check_meta(const mcvd_safetensors *file, const char *key, const char *expected)
{
    const char *found = mcvd_safetensors_metadata(file, key);

    CHECK_TRUE(expected ? found && strcmp(found, expected) == 0 : !found);
}

/* --- I3D --- */

/* Names and shapes are those of the reference. */
static void names_of_the_reference(void **state)
{
    char *text = NULL;
    size_t bytes = 0;

    (void)state;
    CHECK_OK(
        mcvdi_file_read(&text, &bytes, MCVD_TEST_GOLDEN "/pipeline/fvd/i3d_keys.json", 1 << 20));
    cJSON *keys = cJSON_Parse(text);
    CHECK_EQ(cJSON_GetArraySize(keys), MCVDI_I3D_TENSORS);
    for (int i = 0; i < MCVDI_I3D_TENSORS; i++) {
        const cJSON *row = cJSON_GetArrayItem(keys, i);
        const cJSON *shape = cJSON_GetArrayItem(row, 1);
        CHECK_EQ(strcmp(cJSON_GetArrayItem(row, 0)->valuestring, i3d[i].name), 0);
        CHECK_EQ(cJSON_GetArraySize(shape), i3d[i].ndim);
        for (int d = 0; d < i3d[i].ndim; d++)
            CHECK_EQ(cJSON_GetArrayItem(shape, d)->valueint, i3d[i].shape[d]);
    }
    cJSON_Delete(keys);
    mcvdi_free(text);
}

static void check_other_name(const char *ours, const char *expected)
{
    char other[MCVDI_EXTRACTOR_NAME];

    mcvdi_i3d_other_name(other, ours);
    CHECK_EQ(strcmp(other, expected), 0);
}

static void other_names(void **state)
{
    (void)state;
    check_other_name("Conv3d_1a_7x7.conv3d.weight", "conv3d_1a_7x7.conv3d.weight");
    check_other_name("Conv3d_2b_1x1.bn.running_var", "conv3d_2b_1x1.batch3d.running_var");
    check_other_name("Mixed_3b.b0.conv3d.weight", "mixed_3b.branch_0.conv3d.weight");
    check_other_name("Mixed_4f.b2b.bn.bias", "mixed_4f.branch_2.1.batch3d.bias");
    check_other_name("Mixed_5c.b3b.bn.bias", "mixed_5c.branch_3.1.batch3d.bias");
    check_other_name("logits.conv3d.bias", "conv3d_0c_1x1.conv3d.bias");
}

static void import_i3d(style s, const char *matched_by, double eps)
{
    const mcvd_extractor_import_options options = { .overwrite = true };
    mcvd_extractor_import_result r;
    mcvd_safetensors *file = NULL;
    char hex[MCVDI_SHA256_HEX];

    save_weights(path, i3d, MCVDI_I3D_TENSORS, s, SIZE_MAX);
    CHECK_OK(mcvd_import_extractor(MCVD_EXTRACTOR_I3D, path, output, &options, &r));
    CHECK_EQ(strcmp(r.matched_by, matched_by), 0);
    CHECK_EQ(r.num_tensors, MCVDI_I3D_TENSORS);
    CHECK_EQ(r.num_params, 12711824);
    CHECK_EQ(r.bn_eps_read, is_script(s));
    CHECK_CLOSE(r.bn_eps, eps, 0.0);
    CHECK_OK(mcvd_safetensors_open(&file, output));
    CHECK_EQ(mcvd_safetensors_count(file), MCVDI_I3D_TENSORS);
    check_tensors(file, i3d, MCVDI_I3D_TENSORS);
    CHECK_OK(mcvdi_sha256_file(hex, path));
    check_meta(file, "mcvd_extractor", "i3d");
    check_meta(file, "source", "weights.pt");
    check_meta(file, "source_sha256", hex);
    check_meta(file, "bn_eps", is_script(s) ? "0.001" : "1e-05");
    mcvd_safetensors_close(&file);
}

static void i3d_of_both_ports(void **state)
{
    (void)state;
    import_i3d(PREFIXED, "names", 1e-5);
    import_i3d(OTHER, "names of kinetics-i3d", 1e-5);
}

/* The layout of the public archive: modules inside modules under the names of kinetics-i3d. */
static void i3d_of_the_public_archive(void **state)
{
    (void)state;
    import_i3d(NESTED, "names of kinetics-i3d", 0.001);
}

static void i3d_by_order(void **state)
{
    (void)state;
    import_i3d(SCRIPT, "order and shapes", 0.001);
}

/* Our own file is a source as well, and says its eps. */
static void i3d_again(void **state)
{
    const mcvd_extractor_import_options odd = { .bn_eps = 0.0123456789012345, .overwrite = true };
    const mcvd_extractor_import_options other = { .bn_eps = 0.5, .overwrite = true };
    mcvd_extractor_import_result r;
    char again[TEST_PATH_BYTES];

    (void)state;
    test_path(again, folder, "again.safetensors");
    save_weights(path, i3d, MCVDI_I3D_TENSORS, PREFIXED, SIZE_MAX);
    CHECK_OK(mcvd_import_extractor(MCVD_EXTRACTOR_I3D, path, output, &odd, &r));
    CHECK_TRUE(!r.bn_eps_read);
    CHECK_OK(mcvd_import_extractor(MCVD_EXTRACTOR_I3D, output, again, NULL, &r));
    CHECK_TRUE(r.bn_eps_read);
    CHECK_CLOSE(r.bn_eps, odd.bn_eps, 0.0);
    CHECK_OK(mcvd_import_extractor(MCVD_EXTRACTOR_I3D, output, again, &other, &r));
    CHECK_TRUE(!r.bn_eps_read);
    CHECK_CLOSE(r.bn_eps, other.bn_eps, 0.0);
    CHECK_EQ(unlink(again), 0);
}

/* A host program may have a decimal comma: the file is the same, and is read. */
static void i3d_beside_a_comma(void **state)
{
    mcvdi_i3d *net = NULL;

    (void)state;
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        skip();
    import_i3d(SCRIPT, "order and shapes", 0.001);
    CHECK_OK(mcvdi_i3d_create(&net, output));
    mcvdi_i3d_free(&net);
    setlocale(LC_ALL, "C");
}

static void refuse(mcvd_extractor_kind kind, const mcvd_extractor_import_options *options,
                   mcvd_status status, const char *why)
{
    mcvd_extractor_import_result r;

    (void)unlink(output);
    CHECK_STATUS(mcvd_import_extractor(kind, path, output, options, &r), status);
    CHECK_MESSAGE(why);
    CHECK_EQ(r.num_tensors, 0);
    CHECK_TRUE(access(output, F_OK) != 0);
}

static void i3d_refused(void **state)
{
    mcvdi_extractor_tensor changed[MCVDI_I3D_TENSORS];

    (void)state;
    save_weights(path, i3d, MCVDI_I3D_TENSORS, OURS, 40);
    refuse(MCVD_EXTRACTOR_I3D, NULL, MCVD_E_MODEL,
           "tensor 'Mixed_3b.b2b.bn.running_mean' is missing");
    save_weights(path, i3d, MCVDI_I3D_TENSORS, SCRIPT, 40); /* one less: no order */
    refuse(MCVD_EXTRACTOR_I3D, NULL, MCVD_E_MODEL, "or tensors in its order");
    memcpy(changed, i3d, sizeof changed);
    changed[0].shape[0] = 157; /* Charades */
    save_weights(path, changed, MCVDI_I3D_TENSORS, OURS, SIZE_MAX);
    refuse(MCVD_EXTRACTOR_I3D, NULL, MCVD_E_MODEL,
           "'logits.conv3d.weight' is [157, 1024, 1, 1, 1], expected [400, 1024, 1, 1, 1]");
    save_weights(path, alexnet, MCVDI_ALEXNET_TENSORS, OURS, SIZE_MAX);
    refuse(MCVD_EXTRACTOR_I3D, NULL, MCVD_E_MODEL, "no weights of I3D");
    refuse(MCVD_EXTRACTOR_I3D, &(mcvd_extractor_import_options) { .bn_eps = 2.0 }, MCVD_E_RANGE,
           "eps 2");
    refuse(MCVD_EXTRACTOR_I3D, &(mcvd_extractor_import_options) { .heads = path }, MCVD_E_RANGE,
           "heads are AlexNet's");
    refuse(MCVD_EXTRACTOR_PROXY, NULL, MCVD_E_RANGE, "no weights to import");
}

/* --- AlexNet --- */

static void alexnet_with_heads(void **state)
{
    const mcvd_extractor_import_options options = { .heads = heads_path };
    mcvd_extractor_import_result r;
    mcvd_safetensors *file = NULL;

    (void)state;
    (void)unlink(output);
    save_weights(path, alexnet, MCVDI_ALEXNET_TENSORS, OURS, SIZE_MAX);
    save_weights(heads_path, heads, MCVDI_LPIPS_HEADS, OURS, SIZE_MAX);
    CHECK_OK(mcvd_import_extractor(MCVD_EXTRACTOR_ALEXNET, path, output, &options, &r));
    CHECK_TRUE(r.heads);
    CHECK_EQ(r.num_params, 2470848);
    CHECK_OK(mcvd_safetensors_open(&file, output));
    CHECK_EQ(mcvd_safetensors_count(file), 15);
    check_tensors(file, alexnet, MCVDI_ALEXNET_TENSORS);
    check_tensors(file, heads, MCVDI_LPIPS_HEADS);
    check_meta(file, "mcvd_extractor", "alexnet");
    check_meta(file, "heads_source", "heads.pt");
    check_meta(file, "bn_eps", NULL);
    mcvd_safetensors_close(&file);
    CHECK_STATUS(mcvd_import_extractor(MCVD_EXTRACTOR_ALEXNET, path, output, &options, &r),
                 MCVD_E_EXISTS);

    /* and its own output is a source as well */
    test_path(path, folder, "new/folder/again.safetensors");
    CHECK_OK(mcvd_import_extractor(MCVD_EXTRACTOR_ALEXNET, output, path, NULL, &r));
    CHECK_TRUE(!r.heads);
    CHECK_EQ(r.num_left_out, 5);
    CHECK_OK(mcvd_safetensors_open(&file, path));
    CHECK_EQ(mcvd_safetensors_count(file), MCVDI_ALEXNET_TENSORS);
    check_tensors(file, alexnet, MCVDI_ALEXNET_TENSORS);
    mcvd_safetensors_close(&file);
    test_path(path, folder, "weights.pt");
}

static void alexnet_refused(void **state)
{
    const mcvd_extractor_import_options no_heads = { .heads = path };
    const float kept = numbers[7];

    (void)state;
    save_weights(path, alexnet, MCVDI_ALEXNET_TENSORS, OURS, SIZE_MAX);
    refuse(MCVD_EXTRACTOR_ALEXNET, &no_heads, MCVD_E_MODEL, "no heads of LPIPS");
    numbers[7] = (float)NAN;
    save_weights(path, alexnet, MCVDI_ALEXNET_TENSORS, OURS, SIZE_MAX);
    numbers[7] = kept;
    refuse(MCVD_EXTRACTOR_ALEXNET, NULL, MCVD_E_MODEL,
           "tensor 'features.0.weight': element 7 is not finite");
    CHECK_EQ(truncate(path, 5000), 0);
    refuse(MCVD_EXTRACTOR_ALEXNET, NULL, MCVD_E_MODEL, "damaged zip archive");
    CHECK_EQ(truncate(path, 0), 0);
    refuse(MCVD_EXTRACTOR_ALEXNET, NULL, MCVD_E_MODEL, "weights.pt");
    CHECK_EQ(unlink(path), 0);
    refuse(MCVD_EXTRACTOR_ALEXNET, NULL, MCVD_E_MODEL, "cannot open");
}

/* --- where they are --- */

static void places(void **state)
{
    char place[TEST_PATH_BYTES + 32];
    char tiny[8];
    char expected[TEST_PATH_BYTES + 32];

    (void)state;
    CHECK_EQ(strcmp(mcvd_extractor_name(MCVD_EXTRACTOR_PROXY), "proxy"), 0);
    CHECK_STATUS(mcvd_extractor_path(place, sizeof place, MCVD_EXTRACTOR_I3D, folder),
                 MCVD_E_INPUT);
    snprintf(expected, sizeof expected, "%s/i3d.safetensors", folder);
    CHECK_EQ(strcmp(place, expected), 0);
    CHECK_MESSAGE("i3d.safetensors: not there; fetch https://www.dropbox.com/");
    CHECK_MESSAGE("mcvd import i3d i3d_torchscript.pt -o ");
    CHECK_EQ(setenv("MCVD_FEATURES", folder, 1), 0);
    CHECK_STATUS(mcvd_extractor_path(place, sizeof place, MCVD_EXTRACTOR_ALEXNET, NULL),
                 MCVD_E_INPUT);
    CHECK_MESSAGE("mcvd import alexnet alexnet-owt-7be5be79.pth --heads alex.pth");
    bytes_save(&(test_bytes) { 0 }, place);
    CHECK_OK(mcvd_extractor_path(place, sizeof place, MCVD_EXTRACTOR_ALEXNET, NULL));
    CHECK_EQ(unsetenv("MCVD_FEATURES"), 0);
    CHECK_EQ(setenv("XDG_DATA_HOME", "/x", 1), 0);
    (void)mcvd_extractor_path(place, sizeof place, MCVD_EXTRACTOR_I3D, NULL);
    CHECK_EQ(strcmp(place, "/x/mcvd/i3d.safetensors"), 0);
    CHECK_EQ(unsetenv("XDG_DATA_HOME"), 0);
    CHECK_EQ(setenv("HOME", "/h", 1), 0);
    (void)mcvd_extractor_path(place, sizeof place, MCVD_EXTRACTOR_I3D, NULL);
    CHECK_EQ(strcmp(place, "/h/.local/share/mcvd/i3d.safetensors"), 0);
    CHECK_STATUS(mcvd_extractor_path(tiny, sizeof tiny, MCVD_EXTRACTOR_I3D, NULL), MCVD_E_RANGE);
    CHECK_STATUS(mcvd_extractor_path(place, sizeof place, MCVD_EXTRACTOR_PROXY, NULL),
                 MCVD_E_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_reference),
        cmocka_unit_test(other_names),
        cmocka_unit_test(i3d_of_both_ports),
        cmocka_unit_test(i3d_of_the_public_archive),
        cmocka_unit_test(i3d_by_order),
        cmocka_unit_test(i3d_again),
        cmocka_unit_test(i3d_beside_a_comma),
        cmocka_unit_test(i3d_refused),
        cmocka_unit_test(alexnet_with_heads),
        cmocka_unit_test(alexnet_refused),
        cmocka_unit_test(places),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

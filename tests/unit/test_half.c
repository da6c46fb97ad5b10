/* Half precision: every number, and the rounding between each two neighbours. */
#include "model/half.h"
#include "support/check.h"

enum { NUM_HALVES = 1 << 16, FIRST_INFINITY = 0x7c00, SIGN = 0x8000 };

/* The value of a finite half by its definition. */
static double half_value(unsigned half)
{
    const int exponent = (int)(half >> 10 & 31u);
    const double mantissa = (double)(half & 1023u);
    const double magnitude =
        exponent ? ldexp(1024.0 + mantissa, exponent - 25) : ldexp(mantissa, -24);

    return half & SIGN ? -magnitude : magnitude;
}

static float widen(unsigned half)
{
    const uint16_t bits = (uint16_t)half;
    float value;

    mcvdi_f16_to_f32(&value, &bits, 1);
    return value;
}

static unsigned narrow(float value)
{
    uint16_t bits;

    mcvdi_f32_to_f16(&bits, &value, 1);
    return bits;
}

static void every_half_widens_and_returns(void **state)
{
    (void)state;
    for (unsigned h = 0; h < NUM_HALVES; h++) {
        const float value = widen(h);
        const unsigned magnitude = h & ~(unsigned)SIGN;
        if (magnitude > FIRST_INFINITY) {
            CHECK_TRUE(isnan(value));
            CHECK_TRUE((narrow(value) & ~(unsigned)SIGN) > FIRST_INFINITY);
            continue;
        }
        if (magnitude == FIRST_INFINITY)
            CHECK_TRUE(isinf(value) && (value < 0.0f) == (h > SIGN));
        else
            CHECK_CLOSE(value, half_value(h), 0);
        CHECK_EQ(narrow(value), h);
    }
}

/* Between neighbours h and h + 1: the middle goes to the even one, one float beside it to the
 * nearer one. The sign changes nothing. */
static void rounds_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned h = 0; h + 1 < FIRST_INFINITY; h++) {
        const float middle = (float)(0.5 * (half_value(h) + half_value(h + 1))); /* exact */
        const unsigned even = h & 1u ? h + 1 : h;
        CHECK_EQ(narrow(middle), even);
        CHECK_EQ(narrow(-middle), even | SIGN);
        CHECK_EQ(narrow(nextafterf(middle, 0.0f)), h);
        CHECK_EQ(narrow(nextafterf(middle, INFINITY)), h + 1);
    }
}

static void too_large_becomes_infinity(void **state)
{
    (void)state;
    CHECK_EQ(narrow(65504.0f), FIRST_INFINITY - 1);
    CHECK_EQ(narrow(nextafterf(65520.0f, 0.0f)), FIRST_INFINITY - 1);
    CHECK_EQ(narrow(65520.0f), FIRST_INFINITY);
    CHECK_EQ(narrow(3e38f), FIRST_INFINITY);
    CHECK_EQ(narrow(-INFINITY), FIRST_INFINITY | SIGN);
    CHECK_EQ(narrow(1e-45f), 0);
    CHECK_EQ(narrow(-0.0f), SIGN);
}

static void bfloat16_is_the_upper_half_of_a_float(void **state)
{
    static const struct {
        uint16_t bits;
        float value;
    } cases[] = { { 0x3f80, 1.0f }, { 0xc000, -2.0f },     { 0x4049, 3.140625f },
                  { 0x0000, 0.0f }, { 0x0080, 0x1p-126f }, { 0x0001, 0x1p-133f } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float value;
        mcvdi_bf16_to_f32(&value, &cases[i].bits, 1);
        CHECK_CLOSE(value, cases[i].value, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_widens_and_returns),
        cmocka_unit_test(rounds_to_nearest_even),
        cmocka_unit_test(too_large_becomes_infinity),
        cmocka_unit_test(bfloat16_is_the_upper_half_of_a_float),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

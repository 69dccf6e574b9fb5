package jsontext_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/weirstreams/weir/internal/jsontext"
)

func TestFloatsLookLikeFloats(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.0", math.Copysign(0, -1): "-0.0", 1: "1.0", -8: "-8.0", 0.1: "0.1", 1e5: "100000.0", 1e15: "1000000000000000.0", 1e16: "1e+16", 1e22: "1e+22",
		0.0001: "0.0001", 0.00001: "1e-5", 1e-7: "1e-7", 1.5e-9: "1.5e-9", 1e-10: "1e-10", 1e100: "1e+100", 5e-324: "5e-324", math.MaxFloat64: "1.7976931348623157e+308",
	} {
		out, err := jsontext.AppendFloat([]byte("x"), f)
		if err != nil || string(out) != "x"+want {
			t.Errorf("%v: got %s, %v", f, out, err)
		}
		if back, err := strconv.ParseFloat(want, 64); err != nil || back != f {
			t.Errorf("%s is %v", want, back)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if out, err := jsontext.AppendFloat(nil, f); err == nil {
			t.Errorf("%v is written as %s", f, out)
		}
	}
}

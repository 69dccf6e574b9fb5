package row_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/row"
)

type inner struct {
	N     int8
	Other string `json:"other"`
}

// plain is a struct that is set field by field.
type plain struct {
	inner
	Text   string   `json:"text"`
	Half   float32  `json:"half"`
	Float  *float64 `json:"float"`
	Yes    bool
	Small  uint16         `json:"small"`
	Big    *uint64        `json:"big"`
	Long   time.Duration  `json:"long"`
	Words  *string        `json:"words,omitempty"`
	Hidden string         `json:"-"`
	Third  *time.Duration `json:"third"`
}

// mixed is a struct that JSON decodes.
type mixed struct {
	plain
	At   *time.Time `json:"at"`
	Tags []string   `json:"tags"`
}

// Rows become structs as their JSON does, whatever their columns are called and have, and fail where it fails.
func TestRowsBecomeStructsAsTheirJSONDoes(t *testing.T) {
	t.Parallel()
	names := []string{"N", "n", "other", "Other", "text", "TEXT", "half", "float", "Yes", "yes", "small", "big", "long", "words", "Hidden", "-", "third", "at", "tags", "unknown", "\xff", ""}
	values := []row.Value{
		row.Null(), row.Bool(true), row.Bool(false), row.Int(0), row.Int(-1), row.Int(127), row.Int(128), row.Int(65535), row.Int(65536), row.Int(math.MaxInt64), row.Int(math.MinInt64),
		row.Uint(math.MaxUint64), row.Float(0), row.Float(math.Copysign(0, -1)), row.Float(0.1), row.Float(2), row.Float(1e300), row.Float(1.00000017881393432617187499), row.Float(math.NaN()),
		row.Float(math.Inf(-1)), row.String(""), row.String("x"), row.String("\xff"), row.String("a\"\\\x00\u2028"), row.String("2026-01-02T03:04:05Z"), row.List(), row.List(row.String("y")),
		row.New().Value(), row.New(row.F("text", "z")).Value(),
	}
	longtest.Seeds(t, longtest.Cases(1000, 40_000), func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		fields := make([]row.Field, random.IntN(8))
		for i := range fields {
			fields[i] = row.Field{Name: names[random.IntN(len(names))], Value: values[random.IntN(len(values))]}
		}
		r := row.New(fields...)
		compareWithJSON[plain](t, r)
		compareWithJSON[*plain](t, r)
		compareWithJSON[mixed](t, r)
		compareWithJSON[inner](t, r)
	})
}

func compareWithJSON[T any](t *testing.T, r row.Row) {
	t.Helper()
	got, failure := row.ToStruct[T]()(t.Context(), r)
	var want T
	data, err := r.MarshalJSON()
	if err == nil {
		want, err = codec.JSON[T]().Decode(nil, data)
	}
	if (err == nil) != (failure == nil) {
		t.Fatalf("%s: %v, and from JSON: %v", data, failure, err)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(plain{}, mixed{})); diff != "" {
		t.Fatalf("%s (-JSON +row):\n%s", data, diff)
	}
}

// Reading a column as a Go value, and making one, is a part of every expression and connector.
func TestAsAndFAllocateNothing(t *testing.T) {
	text, number := row.String("x"), row.Float(0.5)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := row.As[string](text); err != nil {
			t.Error(err)
		}
		if _, err := row.As[float64](number); err != nil {
			t.Error(err)
		}
		if row.F("x", number).Value.IsNull() || row.F("x", 0.5).Value.IsNull() {
			t.Error("the value is null")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

package nulltest_test

import (
	"strconv"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/nulltest"
	"github.com/weirstreams/weir/row"
)

// dash is a format of integers, written as text, in which "-" says null. Its type cannot hold a null.
type dash struct{}

func (dash) Append(dst []byte, _ *codec.Context, v int64) ([]byte, error) {
	if v == noNumber {
		return append(dst, '-'), nil
	}
	return strconv.AppendInt(dst, v, 10), nil
}

func (dash) Decode(_ *codec.Context, data []byte) (int64, error) {
	return strconv.ParseInt(string(data), 10, 64) // which fails for "-"
}

func (dash) IsNullEncoding(_ *codec.Context, data []byte) bool { return string(data) == "-" }

// noNumber is a number that dash writes as a null.
const noNumber = -1 << 63

// Every operator takes the null of every format for a null.
func TestNullOfAFormatIsNullEverywhere(t *testing.T) {
	nulltest.Check(t, "JSON of a pointer", codec.JSON[*int64](), "7", "null", nil)
	nulltest.Check(t, "JSON of an integer", codec.JSON[int64](), "7", " null\n", nil)
	nulltest.Check(t, "JSON of a struct", codec.JSON[struct{ A int }](), `{"A":1}`, "null", nil)
	nulltest.Check(t, "JSON of anything", codec.JSON[any](), `{"a":1}`, "null", nil)
	nulltest.Check(t, "JSON of a map", codec.JSON[map[string]int](), `{"a":1}`, "null", nil)
	nulltest.Check(t, "rows", row.JSON(), `{"a":1}`, "null", nil)
	nulltest.Check(t, "values of rows", codec.JSON[row.Value](), `{"a":1}`, "null", nil)
	nulltest.Check(t, "nullable", codec.Nullable(codec.JSON[int64]()), "7", "null", nil)
	nulltest.Check(t, "a format of my own", dash{}, "7", "-", func() int64 { return noNumber })
}

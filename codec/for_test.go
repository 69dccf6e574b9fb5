package codec_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
)

type (
	airport string
	celsius int64
	payload []byte
	octet   byte
	empty   struct{}
	flight  struct {
		From airport `json:"from"`
	}
	pointer *int32
)

// MarshalText is there to be ignored by For.
func (a airport) MarshalText() ([]byte, error) { return nil, fmt.Errorf("asked") }

func TestForPicksTheCodecByTheUnderlyingType(t *testing.T) {
	number, code := int32(123), airport("LHR")
	t.Run("string", func(t *testing.T) { encodesAs(t, codec.For[string](), "LHR", "4c4852") })
	t.Run("named string", func(t *testing.T) { encodesAs(t, codec.For[airport](), "LHR", "4c4852") })
	t.Run("bytes", func(t *testing.T) { encodesAs(t, codec.For[[]byte](), []byte("abc"), "616263") })
	t.Run("named bytes", func(t *testing.T) { encodesAs(t, codec.For[payload](), payload("abc"), "616263") })
	t.Run("int", func(t *testing.T) { encodesAs(t, codec.For[int](), -2, "fffffffffffffffe") })
	t.Run("int32", func(t *testing.T) { encodesAs(t, codec.For[int32](), 123, "0000007b") })
	t.Run("int64", func(t *testing.T) { encodesAs(t, codec.For[int64](), 123, "000000000000007b") })
	t.Run("named int64", func(t *testing.T) { encodesAs(t, codec.For[celsius](), 123, "000000000000007b") })
	t.Run("time.Duration", func(t *testing.T) { encodesAs(t, codec.For[time.Duration](), 1, "0000000000000001") })
	t.Run("float32", func(t *testing.T) { encodesAs(t, codec.For[float32](), 123, "42f60000") })
	t.Run("float64", func(t *testing.T) { encodesAs(t, codec.For[float64](), 123, "405ec00000000000") })
	t.Run("bool", func(t *testing.T) { encodesAs(t, codec.For[bool](), true, "01") })
	t.Run("struct{}", func(t *testing.T) { encodesAs(t, codec.For[struct{}](), struct{}{}, "") })
	t.Run("named struct{}", func(t *testing.T) { encodesAs(t, codec.For[empty](), empty{}, "") })
	t.Run("pointer", func(t *testing.T) { encodesAs(t, codec.For[*int32](), &number, "0000007b") })
	t.Run("pointer to named", func(t *testing.T) { encodesAs(t, codec.For[*airport](), &code, "4c4852") })
	t.Run("named pointer", func(t *testing.T) { encodesAs(t, codec.For[pointer](), pointer(&number), "0000007b") })
	t.Run("uint8 is JSON", func(t *testing.T) { encodesAs(t, codec.For[uint8](), 7, text("7")) })
	t.Run("slice of a named byte is JSON", func(t *testing.T) {
		encodesAs(t, codec.For[[]octet](), []octet("hi"), text(`"aGk="`))
	})
	t.Run("list is JSON", func(t *testing.T) { encodesAs(t, codec.For[[]int](), []int{1, 2}, text(`[1,2]`)) })
	t.Run("time is JSON", func(t *testing.T) {
		encodesAs(t, codec.For[time.Time](), time.Unix(0, 0).UTC(), text(`"1970-01-01T00:00:00Z"`))
	})
}

func TestForKnowsTheNullOfEachType(t *testing.T) {
	number, code := int64(0), airport("")
	nulls(t, codec.For[[]byte](), nil, []byte{})
	nulls(t, codec.For[payload](), nil, payload{})
	nulls(t, codec.For[*int64](), nil, &number)
	nulls(t, codec.For[*airport](), nil, &code)
	nulls(t, codec.For[*flight](), nil, &flight{})
	nulls(t, codec.For[map[string]int](), nil, map[string]int{})
	for name, cd := range map[string]any{
		"string": codec.For[string](), "airport": codec.For[airport](), "struct": codec.For[flight](),
	} {
		switch cd.(type) {
		case codec.Nuller[string], codec.Nuller[airport], codec.Nuller[flight]:
			t.Errorf("%s has no null, but its codec is a Nuller", name)
		}
	}
}

func TestForNamesTheTypeInErrors(t *testing.T) {
	c := &codec.Context{Topic: "flights", Part: codec.Key}
	_, err := codec.For[celsius]().Decode(c, []byte{1, 2, 3})
	wantError(t, err, `decode key of topic "flights" as codec_test.celsius: want 8 bytes, got 3 (0x010203)`)
	_, err = codec.For[*airport]().Append(nil, c, nil)
	wantError(t, err, `encode key of topic "flights" as *codec_test.airport: `+
		`a nil pointer has no encoding; write a null in its place`)
	_, err = codec.For[empty]().Decode(c, []byte{1})
	wantError(t, err, `decode key of topic "flights" as codec_test.empty: want 0 bytes, got 1 (0x01)`)
	if _, err = codec.For[chan int]().Append(nil, c, nil); err == nil {
		t.Error("a channel was encoded")
	}
}

func TestForAllocatesNothingForNamedScalars(t *testing.T) {
	c, cd, buffer := &codec.Context{}, codec.For[celsius](), make([]byte, 0, 8)
	if n := testing.AllocsPerRun(100, func() {
		buffer, _ = cd.Append(buffer[:0], c, 20)
		_, _ = cd.Decode(c, buffer)
	}); n != 0 {
		t.Errorf("%v allocations for a round trip, want 0", n)
	}
}

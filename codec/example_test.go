package codec_test

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir/codec"
)

func ExampleInt32() {
	c := &codec.Context{Topic: "counts", Part: codec.Value}
	wire, _ := codec.Int32().Append(nil, c, 123)
	fmt.Printf("%x\n", wire)

	_, err := codec.Int32().Decode(c, []byte("12"))
	fmt.Println(err)
	// Output:
	// 0000007b
	// decode value of topic "counts" as int32: want 4 bytes, got 2 (0x3132)
}

func ExampleString() {
	wire, _ := codec.String().Append(nil, &codec.Context{}, "é")
	fmt.Printf("%x\n", wire)
	// Output: c3a9
}

func ExampleJSON() {
	type Trade struct {
		Symbol string  `json:"symbol"`
		Price  float64 `json:"price"`
	}
	c := &codec.Context{Topic: "trades", Part: codec.Value}
	trades := codec.JSON[Trade]()

	wire, _ := trades.Append(nil, c, Trade{"AT&T", 19.5})
	fmt.Printf("%s\n", wire)

	trade, _ := trades.Decode(c, wire)
	fmt.Println(trade.Symbol, trade.Price)
	// Output:
	// {"symbol":"AT&T","price":19.5}
	// AT&T 19.5
}

// Numbers of unknown type keep all their digits.
func ExampleJSON_any() {
	c := &codec.Context{}
	v, _ := codec.JSON[map[string]any]().Decode(c, []byte(`{"id":9007199254740993,"price":1.10}`))
	fmt.Printf("%T %v %v\n", v["id"], v["id"], v["price"])
	// Output: json.Number 9007199254740993 1.10
}

func ExampleFor() {
	type Airport string
	wire, _ := codec.For[Airport]().Append(nil, &codec.Context{}, "LHR")
	fmt.Printf("%s\n", wire)
	// Output: LHR
}

func ExampleNullable() {
	counts := codec.Nullable(codec.Int64())
	zero := int64(0)
	n := counts.(codec.Nuller[*int64])
	fmt.Println(n.IsNull(nil), n.IsNull(&zero))
	// Output: true false
}

func ExampleError() {
	_, err := codec.Bool().Decode(&codec.Context{Topic: "seen", Part: codec.State}, []byte{7})
	if e, ok := errors.AsType[*codec.Error](err); ok {
		fmt.Println(e.Part, e.Topic)
		fmt.Println(e.Err)
	}
	// Output:
	// state seen
	// want 0x00 or 0x01, got 0x07
}

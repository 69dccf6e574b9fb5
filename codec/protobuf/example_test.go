package protobuf_test

import (
	"fmt"
	"testing/fstest"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/registry"
)

func Example() {
	times := protobuf.Message[*timestamppb.Timestamp](protobuf.Options{})
	wire, err := times.Append(nil, &codec.Context{}, &timestamppb.Timestamp{Seconds: 5})
	fmt.Printf("%x %v\n", wire, err)
	// Output: 0805 <nil>
}

// Messages of a .proto file that was not there when the program was written.
func ExampleMap() {
	files := fstest.MapFS{"shop.proto": {Data: []byte(`
		syntax = "proto3";
		package shop;
		message Order { int64 id = 1; string customer_name = 2; }`)}} // or os.DirFS("protos")
	types, err := protobuf.Compile(files, "shop.proto")
	if err != nil {
		fmt.Println(err)
		return
	}
	order, err := types.Message("shop.Order")
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := protobuf.Map(order, protobuf.MapOptions{})
	wire, err := orders.Append(nil, &codec.Context{}, map[string]any{"id": "7", "customerName": "Ada"})
	fmt.Printf("%x %v\n", wire, err)
	v, err := orders.Decode(&codec.Context{}, wire)
	fmt.Println(v["id"], v["customerName"], err)
	// Output:
	// 08071203416461 <nil>
	// 7 Ada <nil>
}

// A tool knows the schema from the registry alone.
func ExampleRegistered() {
	schema := registry.Schema{Type: registry.Protobuf, Text: `syntax = "proto3"; message Order { int64 id = 1; } message Return { string reason = 1; }`}
	messages, err := protobuf.Registered(schema, protobuf.MapOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(messages.Decode(&codec.Context{}, []byte{0, 0x08, 7}))
	fmt.Println(messages.Decode(&codec.Context{}, []byte{2, 2, 0x0a, 1, 'x'}))
	// Output:
	// map[id:7] <nil>
	// map[reason:x] <nil>
}

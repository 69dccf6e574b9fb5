package registry_test

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/stream"
)

// A topic of JSON whose schema is in a registry.
func Example() {
	server := srfake.New() // a registry in this process
	defer server.Close()

	type Order struct {
		ID int `json:"id"`
	}
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(server.URL())})
	if err != nil {
		fmt.Println(err)
		return
	}
	schema, err := jsonschema.New[Order](`{"type": "object", "title": "Order"}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := stream.NewTopic("orders", codec.String(), registry.Of(client, schema, registry.Options{}))

	wire, err := orders.ValueCodec().Append(nil, &codec.Context{Topic: "orders", Part: codec.Value}, Order{ID: 7})
	fmt.Printf("%q %v\n", wire, err)
	fmt.Println(server.SubjectExists("orders-value"))
	// Output:
	// "\x00\x00\x00\x00\x01{\"id\":7}" <nil>
	// true
}

func ExampleOf_lookUp() {
	server := srfake.New()
	defer server.Close()
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(server.URL())})
	if err != nil {
		fmt.Println(err)
		return
	}
	schema, err := jsonschema.New[int](`{"type": "integer", "title": "count"}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	counts := registry.Of(client, schema, registry.Options{Find: registry.LookUp, Subject: registry.RecordName})
	_, err = counts.Append(nil, &codec.Context{Topic: "counts", Part: codec.Value}, 5)
	fmt.Println(err)
	// Output:
	// encode value of topic "counts" as int: schema registry: look up schema of subject "count" (status 404, code 40401): subject "count" not found
}

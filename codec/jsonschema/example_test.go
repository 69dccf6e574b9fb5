package jsonschema_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/jsonschema"
)

func Example() {
	type Order struct {
		ID    int     `json:"id"`
		Price float64 `json:"price"`
	}
	orders, err := jsonschema.New[Order](`{"type": "object", "properties": {"price": {"minimum": 0}}}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = orders.Append(nil, &codec.Context{Topic: "orders", Part: codec.Value}, Order{ID: 7, Price: -1})
	fmt.Println(err)
	// Output:
	// encode value of topic "orders" as jsonschema_test.Order: not valid by the schema: at /price: minimum: got -1, want 0
}

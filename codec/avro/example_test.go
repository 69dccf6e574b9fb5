package avro_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
)

const orderSchema = `{"type": "record", "name": "Order", "fields": [
	{"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": null}]}`

func Example() {
	type Order struct {
		ID   int64   `avro:"id"`
		Note *string `avro:"note"`
	}
	orders, err := avro.Typed[Order](orderSchema)
	if err != nil {
		fmt.Println(err)
		return
	}
	wire, err := orders.Append(nil, &codec.Context{}, Order{ID: 7})
	fmt.Printf("%x %v\n", wire, err)
	// Output: 0e00 <nil>
}

func ExampleGeneric() {
	orders, err := avro.Generic(orderSchema)
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := orders.Decode(&codec.Context{}, []byte{0x0e, 0x02, 0x04, 'h', 'i'})
	fmt.Println(v["id"], v["note"], err)
	// Output: 7 hi <nil>
}

// Messages of an older schema get the defaults of the new one.
func ExampleGenericFormat_ReadWith() {
	orders, err := avro.Generic(orderSchema)
	if err != nil {
		fmt.Println(err)
		return
	}
	older, err := orders.ReadWith(`{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}]}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := older.Decode(&codec.Context{}, []byte{0x0e})
	fmt.Println(v["id"], v["note"], err)
	// Output: 7 <nil> <nil>
}

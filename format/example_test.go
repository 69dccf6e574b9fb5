package format_test

import (
	"fmt"
	"os"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
)

type Order struct {
	Country string `json:"country"`
	Cents   int    `json:"cents"`
}

func Example() {
	lines := format.JSONLines[string, Order]{}                // with keys and times
	plain := format.JSONLines[string, Order]{Plain: true}     // values alone
	headers := format.JSONLines[string, Order]{Headers: true} // headers too, their values in base64

	r := weir.Record[string, Order]{
		Key: "a1", Value: Order{"DE", 1999}, Millis: 1722945524540,
		Headers: []weir.Header{{Key: "trace", Value: []byte("7")}},
	}
	for _, f := range []format.Format[string, Order]{lines, plain, headers} {
		if err := f.NewEncoder(os.Stdout).Encode(&r); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// {"_timestamp":1722945524540,"_key":"a1","_value":{"country":"DE","cents":1999}}
	// {"country":"DE","cents":1999}
	// {"_timestamp":1722945524540,"_key":"a1","_value":{"country":"DE","cents":1999},"_headers":[{"key":"trace","value":"Nw=="}]}
}

func ExampleCSV() {
	orders := format.CSV[string, Order]{Columns: []format.Column{
		{Name: "id", Part: format.PartKey},
		{Name: "at", Part: format.PartTime, Layout: time.RFC3339},
		{Name: "country"},
		{Name: "total", Field: "cents"},
	}}
	orders.Dialect = format.Unix()

	r := weir.Record[string, Order]{Key: "a1", Value: Order{"DE", 1999}, Millis: 1722945524540}
	if err := orders.NewEncoder(os.Stdout).Encode(&r); err != nil {
		fmt.Println(err)
	}
	// Output:
	// "id","at","country","total"
	// "a1","2024-08-06T11:58:44Z","DE","1999"
}

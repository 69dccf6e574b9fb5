package quix_test

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/quix"
)

func Example() {
	c := &codec.Context{Topic: "sensors", Part: codec.Value, Headers: []weir.Header{
		{Key: "__Q_ModelKey", Value: []byte("TimeseriesData")}, {Key: "__Q_CodecId", Value: []byte("JT")},
	}}
	samples, err := quix.Timeseries(quix.Options{}).Split(nil, c,
		[]byte(`{"Timestamps": [1000, 2000], "NumericValues": {"speed": [1.5, 2.5]}, "TagValues": {"car": ["a", "b"]}}`))
	for _, s := range samples {
		fmt.Println(s.Timestamp, s.Numeric["speed"], s.Tags["car"])
	}
	fmt.Println(err)
	// Output:
	// 1000 1.5 a
	// 2000 2.5 b
	// <nil>
}

func ExampleEvents() {
	wire, _ := quix.Events(quix.Options{}).Append(nil, &codec.Context{}, quix.Event{Timestamp: 1, ID: "start", Value: "ok"})
	fmt.Printf("%s\n", wire)
	// Output: {"C":"JT","K":"EventData","V":{"Id":"start","Value":"ok","Tags":{},"Timestamp":1},"S":30,"E":81}
}

func ExampleRows() {
	wire, _ := quix.Rows(quix.Options{}).Append(nil, &codec.Context{}, map[string]any{"speed": 1.5, "Timestamp": 1000})
	fmt.Printf("%s\n", wire)
	// Output: {"C":"JT","K":"ParameterData","V":{"BinaryValues":{},"StringValues":{},"NumericValues":{"speed":[1.5]},"Timestamps":[1000],"TagValues":{}},"S":34,"E":138}
}

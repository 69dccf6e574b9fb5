package parquet_test

import (
	"bytes"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format/parquet"
)

// Sinks and sources of files take the format in their options. Here it writes a file to memory.
func Example() {
	type Order struct {
		Country string `json:"country"`
		Cents   int64  `json:"cents"`
	}
	orders := parquet.Format[string, Order]{Compression: parquet.Zstd}

	var file bytes.Buffer
	encoder := orders.NewEncoder(&file)
	err := encoder.Encode(&weir.Record[string, Order]{Key: "a1", Value: Order{"DE", 1999}, Millis: 1722945524540})
	if err == nil {
		err = encoder.Close()
	}
	fmt.Println(string(file.Bytes()[:4]), err)
	// Output: PAR1 <nil>
}

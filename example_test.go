package weir_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir"
)

// A function of the form "...Record" gets a record, and the package has its words: record, header, time.
func Example() {
	describe := func(r weir.Record[string, int]) string {
		return fmt.Sprint(r.Key, " has ", r.Value, " at ", r.Time().UTC().Format(time.TimeOnly))
	}
	r := weir.Record[string, int]{Key: "cellar", Value: 12, Headers: []weir.Header{{Key: "unit", Value: []byte("celsius")}}}
	r.SetTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	fmt.Println(describe(r), string(r.Headers[0].Value))
	// Output: cellar has 12 at 12:00:00 celsius
}

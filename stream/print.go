package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"sync"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/console"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/row"
)

// PrintOptions say how records are printed. The zero value prints values over several lines to standard output.
type PrintOptions struct {
	// OneLine prints each record on one line.
	OneLine bool
	// Metadata prints key, time in milliseconds, and headers too.
	Metadata bool
	// To is where the text goes. The default is os.Stdout. Records are written whole, one at a time.
	To io.Writer
}

// printing keeps the lines of records apart that tasks print at the same time.
var printing sync.Mutex

// Print prints records and passes them on unchanged. It is for debugging: it costs time, and records processed again after a
// failure are printed again.
//
// A record is printed as JSON: {"value": ...}, and with metadata
// {"value": ..., "key": ..., "timestamp": ..., "headers": [["name", "value"], ...]}. Values without a JSON form are printed as
// package fmt prints them, bytes that are not text as hexadecimal digits.
func (s Stream[K, V]) Print(o PrintOptions) Stream[K, V] {
	if o.To == nil {
		o.To = os.Stdout
	}
	inspectKey, inspect := console.Inspector[K](), console.Inspector[V]()
	show := func(_ context.Context, r *weir.Record[K, V]) error {
		shown := row.New(row.F("value", valueOf(r, inspect)))
		if o.Metadata {
			shown = shown.With("key", keyOf(r, inspectKey)).With("timestamp", r.Millis).With("headers", headersOf(r.Headers))
		}
		var out bytes.Buffer
		if text := shown.String(); o.OneLine {
			out.WriteString(text)
		} else if err := json.Indent(&out, []byte(text), "", "  "); err != nil { // a NaN, of which JSON knows nothing
			out.WriteString(text)
		}
		out.WriteByte('\n')
		printing.Lock()
		defer printing.Unlock()
		_, _ = o.To.Write(out.Bytes()) // nothing useful can be done about a failure
		return nil
	}
	return s.watch("print", "", show)
}

// watch puts an operator behind s that shows records to people.
func (s Stream[K, V]) watch(kind graph.Kind, detail string, f func(context.Context, *weir.Record[K, V]) error) Stream[K, V] {
	return s.then(&graph.Node{Kind: kind, Detail: detail, Effect: true}, s.key,
		func(env *operator.Env, node int, next operator.Receiver[K, V]) (operator.Receiver[K, V], error) {
			return &operator.Peek[K, V]{Env: env, Node: node, F: f, Next: next}, nil
		})
}

func valueOf[K, V any](r *weir.Record[K, V], inspect func(V) row.Value) row.Value {
	if r.ValueNull {
		return row.Null()
	}
	return inspect(r.Value)
}

func keyOf[K, V any](r *weir.Record[K, V], inspect func(K) row.Value) row.Value {
	if r.KeyNull {
		return row.Null()
	}
	return inspect(r.Key)
}

// headersOf returns headers as a list of pairs.
func headersOf(headers []weir.Header) row.Value {
	list := make([]row.Value, len(headers))
	for i, h := range headers {
		value := row.Null()
		if h.Value != nil {
			value = console.Text(string(h.Value))
		}
		list[i] = row.List(console.Text(h.Key), value)
	}
	return row.List(list...)
}

package neo4j

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// item is a record as a parameter of a statement.
type item struct {
	bulk.Progress
	record  map[string]any
	size    int
	deletes bool // the node of the key
}

// encoder makes items of records. It is used by several goroutines at once.
type encoder[K, V any] struct {
	options *Options[K, V]
	key     func(K) (any, error)
	row     func(V) (row.Row, error)
}

// fixedSize is about the number of bytes of the fields that each record has.
const fixedSize = 160

// item makes the item of a record.
func (e *encoder[K, V]) item(r *weir.Record[K, V]) (*item, error) {
	value, err := e.value(r)
	if err != nil {
		return nil, err
	}
	var key any
	if !r.KeyNull {
		if key, err = e.key(r.Key); err != nil {
			return nil, fmt.Errorf("the key: %w", err)
		}
	}
	i := &item{size: fixedSize + value.size}
	if text, ok := key.(string); ok {
		i.size += len(text)
	}
	i.record = map[string]any{"__key": key, "__value": value.value}
	if e.options.Label != "" {
		if key == nil {
			return nil, errors.New("the key is null, and the node has no identity without it")
		}
		if i.deletes = value.value == nil; i.deletes {
			return i, nil
		}
		if _, ok := value.value.(map[string]any); !ok {
			return nil, fmt.Errorf("Options.Value returns a %T, and a node takes a map of properties", value.value)
		}
		return i, nil
	}
	headers, size, err := headers(r.Headers)
	if err != nil {
		return nil, err
	}
	i.size += size
	i.record["__header"] = headers
	i.record["__time"], i.record["__timestamp"] = time.UnixMilli(r.Millis).UTC(), r.Millis
	o := r.Origin
	i.record["__topic"], i.record["__partition"], i.record["__offset"] = o.Topic, int64(o.Partition), o.Offset
	i.record["__origin"] = o.Topic + "-" + strconv.Itoa(int(o.Partition)) + "-" + strconv.FormatInt(o.Offset, 10)
	return i, nil
}

func (e *encoder[K, V]) value(r *weir.Record[K, V]) (sized, error) {
	switch {
	case e.options.Value != nil:
		value, err := e.options.Value(r)
		if err != nil {
			return sized{}, fmt.Errorf("Options.Value: %w", err)
		}
		p, err := parameter(value)
		if err != nil {
			return sized{}, fmt.Errorf("Options.Value: %w", err)
		}
		return p, nil
	case r.ValueNull:
		return sized{nil, 1}, nil
	}
	columns, err := e.row(r.Value)
	if err != nil {
		return sized{}, fmt.Errorf("the value as a map: %w", err)
	}
	p, err := parameter(columns)
	if err != nil {
		return sized{}, fmt.Errorf("the value as a map: %w", err)
	}
	return p, nil
}

// headers returns a list of pairs, in order: texts, or bytes that are no UTF-8.
func headers(all []weir.Header) (list []any, size int, err error) {
	list = make([]any, len(all))
	for i, h := range all {
		if !utf8.ValidString(h.Key) {
			return nil, 0, fmt.Errorf("the name of header %d is not valid UTF-8", i)
		}
		var value any = bytes.Clone(h.Value)
		if h.Value != nil && utf8.Valid(h.Value) {
			value = string(h.Value)
		}
		list[i] = []any{h.Key, value}
		size += len(h.Key) + len(h.Value) + 2*scalarSize
	}
	return list, size, nil
}

package connector

import (
	"fmt"
	"slices"

	"github.com/weirstreams/weir"
)

// Payload returns the function that makes the payload of a message of a record: texts and bytes as they are, and the JSON of other values. That of a null value
// is nil. The function may be called by several goroutines at once.
func Payload[K, V any]() func(r *weir.Record[K, V]) ([]byte, error) {
	json := ValueCodec[V]()
	return func(r *weir.Record[K, V]) ([]byte, error) {
		if r.ValueNull {
			return nil, nil
		}
		switch v := any(&r.Value).(type) {
		case *string:
			return []byte(*v), nil
		case **string:
			if *v == nil {
				return nil, nil
			}
			return []byte(**v), nil
		case *[]byte:
			return slices.Clone(*v), nil
		}
		data, err := json.Append(nil, nil, r.Value)
		if string(data) == "null" {
			return nil, err
		}
		return data, err
	}
}

// RecordOf returns the function that makes the record of a message, the reverse of [Payload]: the text under which it was published is the key, and the payload is the value: texts and
// bytes as they are, and other values by JSON, with a null value for an empty payload. noun names that text in errors. The function may be called by several goroutines at
// once.
func RecordOf[K, V any](noun string) func(text string, payload []byte) (weir.Record[K, V], error) {
	key, json := ParseKey[K](), ValueCodec[V]()
	return func(text string, payload []byte) (r weir.Record[K, V], err error) {
		if r.Key, err = key(text); err != nil {
			return r, fmt.Errorf("the %s as a key: %w", noun, err)
		}
		switch v := any(&r.Value).(type) {
		case *string:
			*v = string(payload)
		case *[]byte:
			*v = payload
		default:
			if len(payload) == 0 {
				r.ValueNull = true
				return r, nil
			}
			r.Value, err = json.Decode(nil, payload)
			err = cause(err)
		}
		return r, err
	}
}

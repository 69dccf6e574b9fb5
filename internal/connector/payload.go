package connector

import (
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

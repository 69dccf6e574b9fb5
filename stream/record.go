package stream

import (
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/operator"
)

// Record is one record: key, value, event time, headers, and the input record that it descends from.
type Record[K, V any] = operator.Record[K, V]

// Header is a header of a record.
type Header = codec.Header

// Origin says where an input record lay.
type Origin = operator.Origin

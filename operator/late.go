package operator

import "github.com/weirstreams/weir"

// LateRecord is a record that an operator did not use because of its time.
type LateRecord struct {
	// Node is the number of the operator's node, Store the name of the store that would have taken the record.
	Node  int
	Store string
	// Reason says which bound the time is beyond.
	Reason string
	// Key, Value and Millis are the record's. Key and Value are valid during the call.
	Key, Value any
	Millis     int64
	// Origin says where the input record lies.
	Origin weir.Origin
}

// skipLate counts a record that came too late, and shows it to OnLate.
func skipLate[K, V any](env *Env, node int, store, reason string, r *weir.Record[K, V]) {
	env.Late++
	if env.OnLate != nil {
		env.OnLate(LateRecord{Node: node, Store: store, Reason: reason, Key: r.Key, Value: r.Value, Millis: r.Millis, Origin: *r.Origin})
	}
}

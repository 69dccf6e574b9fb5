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

// DroppedRecord is a record that an operator leaves out without an error.
type DroppedRecord struct {
	// Node is the number of the operator's node.
	Node   int
	Reason weir.DropReason
	// Detail says more. It may be empty.
	Detail string
	// Origin says where the input record lies.
	Origin weir.Origin
}

// drop tells OnDrop of a record. origin is that of the record that is being processed if it is nil.
func (e *Env) drop(node int, reason weir.DropReason, detail string, origin *weir.Origin) error {
	if e.OnDrop == nil {
		return nil
	}
	if origin == nil {
		origin = &e.Origin
	}
	return e.OnDrop(DroppedRecord{Node: node, Reason: reason, Detail: detail, Origin: *origin})
}

// skipLate counts a record that came too late and is of no use. An error ends the run.
func skipLate[K, V any](env *Env, node int, store, reason string, r *weir.Record[K, V]) error {
	countLate(env, node, store, reason, r)
	return env.drop(node, weir.DropLate, reason, r.Origin)
}

// countLate counts a record that came too late, and shows it to OnLate.
func countLate[K, V any](env *Env, node int, store, reason string, r *weir.Record[K, V]) {
	env.Late++
	if env.OnLate != nil {
		env.OnLate(lateRecord(node, store, reason, r))
	}
}

func lateRecord[K, V any](node int, store, reason string, r *weir.Record[K, V]) LateRecord {
	return LateRecord{Node: node, Store: store, Reason: reason, Key: r.Key, Value: r.Value, Millis: r.Millis, Origin: *r.Origin}
}

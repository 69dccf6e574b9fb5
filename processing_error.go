package weir

import "fmt"

// ProcessingError says that a record could not be processed: it did not decode or encode, a function given to an operator returned
// an error or panicked, or the cluster does not take a record or a state that it has made. Config.Errors decides about it.
type ProcessingError struct {
	// Origin is the input record.
	Origin
	// Node is the operator, as Topology.Describe names it, and Site the line that declared it.
	Node, Site string
	// Stage is the stage of processing.
	Stage Stage
	// Err is the cause: a *CodecError, a *ProduceError, a *StateError, a *DroppedError, the error of the function, or the value of its panic.
	Err error
	// Stack is the stack of a panic, else nil.
	Stack []byte
}

// Error names topic, partition, offset, operator and line.
func (e *ProcessingError) Error() string {
	verb := ""
	if e.Stack != nil {
		verb = "panic: "
	}
	return fmt.Sprintf("process %s[%d] at offset %d: %s (%s): %s%v", e.Topic, e.Partition, e.Offset, e.Node, e.Site, verb, e.Err)
}

// Unwrap returns Err.
func (e *ProcessingError) Unwrap() error { return e.Err }

// CodecError says that a key or a value could not be decoded or encoded. It is the Err of a ProcessingError.
type CodecError struct {
	// Part is "key", "value" or "state", as codec.Part names them.
	Part string
	// Encoding is true if the record was on its way out.
	Encoding bool
	// Err is the error of the codec.
	Err error
}

// Error names the operation, the part and the cause.
func (e *CodecError) Error() string {
	verb := "decode"
	if e.Encoding {
		verb = "encode"
	}
	return fmt.Sprintf("%s %s: %v", verb, e.Part, e.Err)
}

// Unwrap returns Err.
func (e *CodecError) Unwrap() error { return e.Err }

// NoPartition is the partition of a record whose topic is not known.
const NoPartition int32 = -1

// ProduceError says that the cluster does not take a record that an input record has made: it is too large for its topic, has no key
// although the topic is compacted, its time is outside of the limits of the topic, or the topic that was computed for it does
// not exist. It is the Err of a ProcessingError.
type ProduceError struct {
	// Topic and Partition are where the record was to go. Partition is NoPartition if the topic is not known.
	Topic     string
	Partition int32
	// Err says why it is refused.
	Err error
}

// Error names the topic and, if it is known, the partition.
func (e *ProduceError) Error() string {
	if e.Partition == NoPartition {
		return fmt.Sprintf("produce to %s: %v", e.Topic, e.Err)
	}
	return fmt.Sprintf("produce to %s[%d]: %v", e.Topic, e.Partition, e.Err)
}

// Unwrap returns Err.
func (e *ProduceError) Unwrap() error { return e.Err }

// StateError says that the changelog of a store does not take the state of a key, which is too large as a rule. It is the Err of
// a ProcessingError of the record that has made the state so.
type StateError struct {
	// Store is the name of the store.
	Store string
	// Key is the key as the changelog has it: encoded, and with a time in front of it in some kinds of stores.
	Key []byte
	// KeyText shows the key of the record as its codec decodes it, and in a map the field, at most about 100 bytes of each. It is empty if the store
	// has no such keys.
	KeyText string
	// Size is the size in bytes of Key and of the encoded state.
	Size int
	// Err says why it is refused.
	Err error
}

// shownKey is the length of the part of a key that an error shows, in bytes.
const shownKey = 100

// Error names the store, the key and the size.
func (e *StateError) Error() string {
	if e.KeyText != "" {
		return fmt.Sprintf("store %q: the state of key %s, %d bytes: %v", e.Store, e.KeyText, e.Size, e.Err)
	}
	key, more := e.Key, ""
	if len(key) > shownKey {
		key, more = key[:shownKey], "..."
	}
	return fmt.Sprintf("store %q: the state of key %q%s, %d bytes: %v", e.Store, key, more, e.Size, e.Err)
}

// Unwrap returns Err.
func (e *StateError) Unwrap() error { return e.Err }

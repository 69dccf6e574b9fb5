package weir

import "errors"

// Stage is a stage of the processing of a record.
type Stage string

// The stages, as ProcessingError.Stage.
const (
	// StageDecode is the decoding of a key or a value of an input topic.
	StageDecode Stage = "decode"
	// StageProcess is the call of a function of the topology, and what operators do around it.
	StageProcess Stage = "process"
	// StageLookup is a lookup outside of Kafka.
	StageLookup Stage = "lookup"
	// StageEncode is the encoding of a key, a value or a state.
	StageEncode Stage = "encode"
	// StageProduce is the writing of output and state: the cluster does not take it.
	StageProduce Stage = "produce"
	// StageSink is the writing to a sink outside of Kafka.
	StageSink Stage = "sink"
	// StageGlobalTable is the reading of a global table.
	StageGlobalTable Stage = "global table"
)

// FailedRecord is a record that could not be processed, as a Decide function sees it. It is valid during the call.
type FailedRecord struct {
	*ProcessingError
	// Attempt is how many times the record has failed, this one included.
	Attempt int

	raw    func() (Record[[]byte, []byte], error)
	decode func(Record[[]byte, []byte]) (key, value any, err error)
}

// NewFailedRecord returns the record that err is about, for programs that test their Decide functions. raw returns the record as it lies in its topic, and
// decode what the codecs of the topic make of it; decode may be nil.
func NewFailedRecord(
	err *ProcessingError, attempt int, raw func() (Record[[]byte, []byte], error), decode func(Record[[]byte, []byte]) (key, value any, err error),
) *FailedRecord {
	return &FailedRecord{ProcessingError: err, Attempt: attempt, raw: raw, decode: decode}
}

// Raw returns the record as it lies in its topic: the bytes of key and value, with headers and time. They must not be changed, nor kept after
// the call of Decide. A record that the worker does not hold any more, because it waited for a lookup, an asynchronous call or a sink, is read
// from its topic again, which may take a moment, and fails if the topic has it no more.
func (f *FailedRecord) Raw() (Record[[]byte, []byte], error) {
	if f.raw == nil {
		return Record[[]byte, []byte]{}, errors.New("the record has no bytes")
	}
	return f.raw()
}

// Decoded returns the record with the key and the value that the codecs of its topic decode. A null is nil. It fails if they do not decode.
func (f *FailedRecord) Decoded() (Record[any, any], error) {
	raw, err := f.Raw()
	decoded := Record[any, any]{
		Millis: raw.Millis, Headers: raw.Headers, Origin: raw.Origin, KeyNull: raw.KeyNull, ValueNull: raw.ValueNull,
	}
	if err != nil {
		return decoded, err
	}
	if f.decode == nil {
		return decoded, errors.New("the topic of the record has no codecs")
	}
	decoded.Key, decoded.Value, err = f.decode(raw)
	return decoded, err
}

// DroppedError says that an operator leaves a record out without an error, and that the policy (ErrorPolicy.Dropped) does not skip it. It is the Err of a
// ProcessingError.
type DroppedError struct {
	Reason DropReason
	// Detail says more about the reason. It may be empty.
	Detail string
}

// Error names the reason.
func (e *DroppedError) Error() string {
	if e.Detail == "" {
		return "the record is dropped: " + string(e.Reason)
	}
	return "the record is dropped: " + string(e.Reason) + ": " + e.Detail
}

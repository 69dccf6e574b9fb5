// Package changelog defines the records of changelogs beside the rows of stores: epochs of owners, headers with the input that a
// record comes of, and standings.
package changelog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bytedance/sonic"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// processedHeader is the header of a changelog record that says which input it comes of: a JSON object of the input
// topics and the offset of the last record of each that had been processed. The partition is that of the changelog. A topic is
// written as name@id if the cluster tells its id: offsets of a topic that was deleted do not compare with those of the topic that has
// its name now.
const processedHeader = "__processed_tp_offsets__"

// columnFamilyHeader is a header of each changelog record of Quix Streams, which gives changelogs the same names.
const columnFamilyHeader = "__column_family__"

// IsRow reports whether a record belongs to a store: it is neither a claim nor a standing.
func IsRow(r *broker.Record) bool {
	return string(r.Key) != ClaimKey && string(r.Key) != StandingKey
}

// Foreign reports whether a record was written by another program than Weir, so that it holds no row. A record of a task says which input it
// comes of, unless it is a claim or a standing.
func Foreign(r *broker.Record) bool {
	foreign := IsRow(r)
	for i := range r.Headers {
		switch r.Headers[i].Key {
		case columnFamilyHeader:
			return true
		case processedHeader:
			foreign = false
		}
	}
	return foreign
}

// EncodeProcessed returns the headers of the changelog records of one checkpoint. ids are those of the topics.
func EncodeProcessed(positions map[string]int64, ids map[string]string) []weir.Header {
	topics := make([]string, 0, len(positions))
	for topic, next := range positions {
		if next > 0 {
			topics = append(topics, topic)
		}
	}
	slices.Sort(topics)
	var b strings.Builder
	b.WriteByte('{')
	for i, topic := range topics {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(topic) // names and ids of topics need no escaping
		if id := ids[topic]; id != "" {
			b.WriteByte('@')
			b.WriteString(id)
		}
		fmt.Fprintf(&b, `":%d`, positions[topic]-1)
	}
	b.WriteByte('}')
	return []weir.Header{{Key: processedHeader, Value: []byte(b.String())}}
}

// Filter decides which changelog records belong to work that was committed.
type Filter struct {
	Committed map[string]int64 // next offset by input topic; absent if nothing was committed
	// IDs are those of the topics, empty where the cluster does not tell.
	IDs map[string]string
	// Open lets records of input count that is absent from committed.
	Open bool
	// last is the last checked header, with its result: all records of a checkpoint have the same.
	last      string
	apply     bool
	Processed map[string]Input
	Fresh     bool // set when last changes; whoever has seen it takes it back
}

// Accepts reports whether a changelog record reflects committed input only. Records of a checkpoint without
// committed offsets are not applied: their input is processed again.
//
// Input of a topic that does not exist any more counts always. Nobody can process it again, and the committed offset may be one of the
// topic that has the name now.
func (f *Filter) Accepts(r *broker.Record) (bool, error) {
	i := slices.IndexFunc(r.Headers, func(h weir.Header) bool { return h.Key == processedHeader })
	if i < 0 {
		return true, nil
	}
	value := r.Headers[i].Value
	if f.last != "" && f.last == string(value) {
		return f.apply, nil
	}
	var offsets map[string]int64
	if err := sonic.ConfigDefault.Unmarshal(value, &offsets); err != nil {
		return false, fmt.Errorf("header %s: %w", processedHeader, err)
	}
	f.Processed = make(map[string]Input, len(offsets))
	apply := true
	for input, offset := range offsets {
		topic, id, _ := strings.Cut(input, "@")
		f.Processed[topic] = Input{ID: id, Next: offset + 1}
		if OtherTopic(id, f.IDs[topic]) {
			continue
		}
		if committed, ok := f.Committed[topic]; ok && offset >= committed || !ok && !f.Open {
			apply = false
		}
	}
	f.last, f.apply, f.Fresh = string(value), apply, true
	return apply, nil
}

// OtherTopic reports whether ids are known to be those of two topics, which had the same name one after the other.
func OtherTopic(a, b string) bool { return a != "" && b != "" && a != b }

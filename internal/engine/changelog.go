package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bytedance/sonic"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

type header = weir.Header

// processedHeader is the header of a changelog record that says which input it comes of: a JSON object of the input
// topics and the offset of the last record of each that had been processed. The partition is that of the changelog. A topic is
// written as name@id if the cluster tells its id: offsets of a topic that was deleted do not compare with those of the topic that has
// its name now.
const processedHeader = "__processed_tp_offsets__"

// encodeProcessed returns the headers of the changelog records of one checkpoint. ids are those of the topics.
func encodeProcessed(positions map[string]int64, ids map[string]string) []header {
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
	return []header{{Key: processedHeader, Value: []byte(b.String())}}
}

// processedFilter decides which changelog records belong to work that was committed.
type processedFilter struct {
	committed map[string]int64 // next offset by input topic; absent if nothing was committed
	// ids are those of the topics, empty where the cluster does not tell.
	ids map[string]string
	// open lets records of input count that is absent from committed.
	open bool
	// last is the last checked header, with its result: all records of a checkpoint have the same.
	last      string
	apply     bool
	processed map[string]inputStanding
	fresh     bool // set when last changes; whoever has seen it takes it back
}

// accepts reports whether a changelog record reflects committed input only. Records of a checkpoint without
// committed offsets are not applied: their input is processed again.
//
// Input of a topic that does not exist any more counts always. Nobody can process it again, and the committed offset may be one of the
// topic that has the name now.
func (f *processedFilter) accepts(r *broker.Record) (bool, error) {
	i := slices.IndexFunc(r.Headers, func(h header) bool { return h.Key == processedHeader })
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
	f.processed = make(map[string]inputStanding, len(offsets))
	apply := true
	for input, offset := range offsets {
		topic, id, _ := strings.Cut(input, "@")
		f.processed[topic] = inputStanding{ID: id, Next: offset + 1}
		if otherTopic(id, f.ids[topic]) {
			continue
		}
		if committed, ok := f.committed[topic]; ok && offset >= committed || !ok && !f.open {
			apply = false
		}
	}
	f.last, f.apply, f.fresh = string(value), apply, true
	return apply, nil
}

// otherTopic reports whether ids are known to be those of two topics, which had the same name one after the other.
func otherTopic(a, b string) bool { return a != "" && b != "" && a != b }

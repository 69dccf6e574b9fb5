package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bytedance/sonic"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
)

type header = codec.Header

// processedHeader is the header of a changelog record that says which input it comes of: a JSON object of the input
// topics and the offset of the last record of each that had been processed. The partition is that of the changelog.
const processedHeader = "__processed_tp_offsets__"

// encodeProcessed returns the headers of the changelog records of one checkpoint.
func encodeProcessed(positions map[string]int64) []header {
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
		// Names of topics need no escaping.
		fmt.Fprintf(&b, `"%s":%d`, topic, positions[topic]-1)
	}
	b.WriteByte('}')
	return []header{{Key: processedHeader, Value: []byte(b.String())}}
}

// processedFilter decides which changelog records belong to work that was committed.
type processedFilter struct {
	committed map[string]int64 // next offset by input topic; absent if nothing was committed
	// open lets records of input count that is absent from committed.
	open bool
	// last is the last checked header, with its result: all records of a checkpoint have the same.
	last      string
	apply     bool
	processed map[string]int64
	fresh     bool // set when last changes; whoever has seen it takes it back
}

// accepts reports whether a changelog record reflects committed input only. Records of a checkpoint without
// committed offsets are not applied: their input is processed again.
func (f *processedFilter) accepts(r *broker.Record) (bool, error) {
	i := slices.IndexFunc(r.Headers, func(h header) bool { return h.Key == processedHeader })
	if i < 0 {
		return true, nil
	}
	value := r.Headers[i].Value
	if f.last != "" && f.last == string(value) {
		return f.apply, nil
	}
	f.processed = nil
	if err := sonic.ConfigDefault.Unmarshal(value, &f.processed); err != nil {
		return false, fmt.Errorf("header %s: %w", processedHeader, err)
	}
	apply := true
	for topic, offset := range f.processed {
		if committed, ok := f.committed[topic]; ok && offset >= committed || !ok && !f.open {
			apply = false
		}
	}
	f.last, f.apply, f.fresh = string(value), apply, true
	return apply, nil
}

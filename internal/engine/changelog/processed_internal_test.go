package changelog

import (
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// K-32, EX-53.
func TestOnlyRecordsOfCommittedInputAreApplied(t *testing.T) {
	none := "no header"
	for _, c := range []struct {
		name      string
		committed map[string]int64
		header    string
		want      bool
	}{
		{"before what was committed", map[string]int64{"t": 7}, `{"t":6}`, true},
		{"the next to be processed", map[string]int64{"t": 7}, `{"t":7}`, false},
		{"beyond it", map[string]int64{"t": 7}, `{"t":8}`, false},
		{"no header", map[string]int64{"t": 7}, none, true},
		{"null", map[string]int64{"t": 7}, `null`, true},
		{"no topics", map[string]int64{"t": 7}, `{}`, true},
		{"two topics", map[string]int64{"a": 7, "b": 3}, `{"a":6,"b":2}`, true},
		{"two topics, one not committed", map[string]int64{"a": 7, "b": 3}, `{"a":6,"b":3}`, false},
		{"two topics, the other not committed", map[string]int64{"a": 7, "b": 3}, `{"a":7,"b":2}`, false},
		{"nothing committed", nil, `{"t":0}`, false},
		{"nothing committed, no header", nil, none, true},
		{"one of two topics never committed", map[string]int64{"a": 7}, `{"a":6,"b":0}`, false},
		{"of the topic, with its id", map[string]int64{"t": 7}, `{"t@now":6}`, true},
		{"of the topic, beyond it, with its id", map[string]int64{"t": 7}, `{"t@now":7}`, false},
		{"of a topic that had the name before", map[string]int64{"t": 7}, `{"t@before":8}`, true},
		{"of a topic that had the name before, nothing committed", nil, `{"t@before":8}`, true},
		{"of one before, and another not committed", map[string]int64{"t": 7, "b": 3}, `{"b":3,"t@before":8}`, false},
		{"two topics with an unknown id now", map[string]int64{"b": 3}, `{"b@x":3}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Filter{Committed: c.committed, IDs: map[string]string{"t": "now"}}
			r := &broker.Record{Headers: []weir.Header{{Key: "other", Value: []byte("x")}}}
			if c.header != none {
				r.Headers = append(r.Headers, weir.Header{Key: processedHeader, Value: []byte(c.header)})
			}
			for range 2 { // the second answer is remembered
				if got, err := f.Accepts(r); err != nil || got != c.want {
					t.Errorf("accepts = %v, %v; want %v", got, err, c.want)
				}
			}
		})
	}
}

func TestAHeaderThatDoesNotParseIsAnError(t *testing.T) {
	f := Filter{}
	r := &broker.Record{Headers: []weir.Header{{Key: processedHeader, Value: []byte(`{"t":`)}}}
	if _, err := f.Accepts(r); err == nil {
		t.Error("accepted")
	}
}

// K-30, EX-51.
func TestTheHeaderHoldsTheLastProcessedOffsets(t *testing.T) {
	got := EncodeProcessed(map[string]int64{"orders": 42, "a": 1, "nothing-yet": 0}, map[string]string{"orders": "id", "nothing-yet": "other"})
	if len(got) != 1 || got[0].Key != "__processed_tp_offsets__" || string(got[0].Value) != `{"a":0,"orders@id":41}` {
		t.Errorf("headers %s", got)
	}
}

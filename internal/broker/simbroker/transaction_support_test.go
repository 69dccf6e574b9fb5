package simbroker_test

import (
	"errors"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

func transactional(t *testing.T, b *simbroker.Broker, id string) broker.Producer {
	t.Helper()
	return newProducer(t, b, broker.ProducerConfig{TransactionalID: id})
}

func send(t *testing.T, p broker.Producer, tp broker.TopicPartition, values ...string) {
	t.Helper()
	for _, value := range values {
		check(t, p.Send(t.Context(), tp, []broker.Record{record("k", value)}))
	}
}

func commit(t *testing.T, p broker.Producer) {
	t.Helper()
	check(t, p.Commit(t.Context(), broker.GroupMember{}, nil, nil))
}

func aborted(t *testing.T, err error, fenced bool) {
	t.Helper()
	if !errors.Is(err, broker.ErrAborted) || errors.Is(err, weir.ErrFenced) != fenced {
		t.Fatalf("error is %v, want ErrAborted, and ErrFenced: %v", err, fenced)
	}
}

// onlyFenced wants an error that says that the producer is of no more use.
func onlyFenced(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, weir.ErrFenced) || errors.Is(err, broker.ErrAborted) {
		t.Fatalf("error is %v, want ErrFenced and not ErrAborted", err)
	}
}

// unknown wants an error that leaves open whether a transaction was committed.
func unknown(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, weir.ErrFenced) || errors.Is(err, broker.ErrAborted) {
		t.Fatalf("error is %v, want one that is neither ErrFenced nor ErrAborted", err)
	}
}

// ends returns the last stable offset and the high watermark.
func ends(t *testing.T, b *simbroker.Broker, tp broker.TopicPartition) [2]int64 {
	t.Helper()
	stable, err := b.Offsets(t.Context(), broker.End, tp)
	check(t, err)
	latest, err := b.Offsets(t.Context(), broker.Latest, tp)
	check(t, err)
	return [2]int64{stable[tp], latest[tp]}
}

func wantAborted(t *testing.T, err error) {
	t.Helper()
	aborted(t, err, false)
}

func values(b *simbroker.Broker, tp broker.TopicPartition) []string {
	var all []string
	for _, r := range b.Read(tp, 0) {
		all = append(all, string(r.Value))
	}
	return all
}

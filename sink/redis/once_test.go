package redis_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/redis"
)

// written is a place with a stream that is written once.
type written struct {
	*place
	name string
}

func (s written) open(t *testing.T, epoch string, from int64) *task[string, string] {
	t.Helper()
	w := open(t, redis.Options[string, string]{
		URL: secret.New(s.url), Cluster: s.nodes != nil, Kind: redis.Stream, Name: s.name, Once: true, OncePrefix: s.prefix + "once:",
	}, epoch)
	w.from, w.next = from, from
	return w
}

func (s written) expect(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, e := range s.client.XRange(t.Context(), s.name, "-", "+").Val() {
		got = append(got, fmt.Sprint(e.Values["value"]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func eachStream(t *testing.T, check func(t *testing.T, s written)) {
	both(t, func(t *testing.T, p *place) { check(t, written{p, p.prefix + "stream"}) })
}

func addAll(t *testing.T, w *task[string, string], values ...string) {
	t.Helper()
	for _, v := range values {
		must(t, w.add("k", v))
	}
}

func TestARecordThatIsProcessedAgainIsWrittenOnce(t *testing.T) {
	eachStream(t, func(t *testing.T, s written) {
		first := s.open(t, "01", 0)
		addAll(t, first, "a", "b")
		must(t, first.flush())
		first.commit()
		addAll(t, first, "c")
		must(t, first.flush()) // and a crash before the commit
		second := s.open(t, "02", 2)
		addAll(t, second, "c", "d")
		must(t, second.flush())
		second.commit()
		addAll(t, second, "d") // an equal value of another record
		must(t, second.flush())
		s.expect(t, "a", "b", "c", "d", "d")
	})
}

func TestARecordThatDiffersFromThatOfTheFirstTimeIsWritten(t *testing.T) {
	eachStream(t, func(t *testing.T, s written) {
		first := s.open(t, "01", 0)
		addAll(t, first, "a", "b")
		must(t, first.flush())
		second := s.open(t, "02", 0)
		addAll(t, second, "a", "other")
		must(t, second.flush())
		s.expect(t, "a", "b", "other")
	})
}

// TestEqualResultsOfOneRecordAreAllWritten gives several records one offset, as a function with several results does.
func TestEqualResultsOfOneRecordAreAllWritten(t *testing.T) {
	eachStream(t, func(t *testing.T, s written) {
		add := func(w *task[string, string], n int) {
			for range n {
				w.next = 7
				addAll(t, w, "same")
			}
		}
		first := s.open(t, "01", 7)
		add(first, 2)
		must(t, first.flush())
		add(first, 1) // in the next flush, before the checkpoint commits
		must(t, first.flush())
		s.expect(t, "same", "same", "same")
		second := s.open(t, "02", 7)
		add(second, 4)
		must(t, second.flush())
		second.writer.Discard()
		add(second, 4)
		must(t, second.flush())
		s.expect(t, "same", "same", "same", "same")
	})
}

// TestAResultOfATimerIsNotLost adds equal records with the offset of an input record that is committed already, as timers do.
func TestAResultOfATimerIsNotLost(t *testing.T) {
	eachStream(t, func(t *testing.T, s written) {
		w := s.open(t, "01", 0)
		addAll(t, w, "a", "b")
		must(t, w.flush())
		w.commit()
		for range 2 {
			w.next = 1
			addAll(t, w, "b")
			must(t, w.flush())
			w.commit()
		}
		s.expect(t, "a", "b", "b", "b")
	})
}

func TestAFormerOwnerOfATaskWritesNothingAnyMore(t *testing.T) {
	eachStream(t, func(t *testing.T, s written) {
		former, owner := s.open(t, "01", 0), s.open(t, "02", 0)
		addAll(t, former, "a")
		must(t, former.flush())
		former.commit()
		owner.from, owner.next = 1, 1
		addAll(t, owner, "b", "c")
		must(t, owner.flush())
		owner.commit()
		addAll(t, owner, "d")
		must(t, owner.flush()) // so that the names of b and c are removed
		addAll(t, former, "b", "c")
		err := former.flush()
		if !errors.As(err, new(*weir.RetryLaterError)) || !errors.Is(err, weir.ErrFenced) {
			t.Errorf("got %v", err)
		}
		s.expect(t, "a", "b", "c", "d")
	})
}

// TestEpochsThatBeginAnewAreTaken plays a group that was deleted.
func TestEpochsThatBeginAnewAreTaken(t *testing.T) {
	eachStream(t, func(t *testing.T, s written) {
		former := s.open(t, "0f", 0)
		addAll(t, former, "a")
		must(t, former.flush())
		anew := s.open(t, "01", 1)
		for _, v := range []string{"b", "c"} {
			addAll(t, anew, v)
			must(t, anew.flush())
			anew.commit()
		}
		s.expect(t, "a", "b", "c")
	})
}

func TestNamesOfCommittedRecordsAreRemoved(t *testing.T) {
	eachStream(t, func(t *testing.T, s written) {
		w := s.open(t, "01", 0)
		for range 5 {
			for range 100 {
				addAll(t, w, "v")
			}
			must(t, w.flush())
			w.commit()
		}
		total := int64(0)
		for _, prefix := range []string{s.prefix + "once:", "{"} {
			for _, name := range s.names(t, prefix) {
				if s.client.Type(t.Context(), name).Val() == "zset" {
					total += s.client.ZCard(t.Context(), name).Val()
				}
				if ttl := s.client.PTTL(t.Context(), name).Val(); ttl <= 0 || ttl > 8*24*time.Hour {
					t.Errorf("%s lives for %v", name, ttl)
				}
			}
		}
		if s.nodes == nil && total != 100 {
			t.Errorf("%d names are kept, want 100", total)
		}
	})
}

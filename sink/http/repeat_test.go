package http_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink/http"
)

// run is a process that writes the records of some offsets, each with so many results as results says, in checkpoints that
// end at some offsets.
func run(t *testing.T, s *service, o http.Options[*string, *string], results func(offset int64) int, from int64, ends ...int64) {
	t.Helper()
	w := opened(t, http.New(s.URL+"/in", o))
	for id, to := range ends {
		for offset := from; offset < to; offset++ {
			for i := range results(offset) {
				key, value := "k", fmt.Sprint(offset, ".", i)
				r := weir.Record[*string, *string]{Key: &key, Value: &value, Origin: &weir.Origin{Topic: "in", Partition: 3, Offset: offset}}
				if err := w.Add(t.Context(), &r); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Flush(t.Context(), checkpoint(int64(id+1), from, to)); err != nil {
			t.Fatal(err)
		}
		from = to
	}
}

// A process is killed in a large checkpoint, and the next one begins with small ones: it repeats requests that the service knows, but for some at the
// ends of checkpoints.
func TestOtherCheckpointsAfterACrashHaveTheSameRequests(t *testing.T) {
	const size = 20
	for name, c := range map[string]struct {
		results func(offset int64) int
		maxSize int // of a body
		// repeated bounds how many records of a checkpoint's end are sent twice, and requests how many requests there are
		// for each that is necessary.
		repeated int
		requests float64
	}{
		"each record":               {func(int64) int { return 1 }, 0, size, 1.1},
		"each record, in few bytes": {func(int64) int { return 1 }, 400, size, 2.1},
		"one record of five":        {func(offset int64) int { return max(0, 1-int(offset%5)) }, 0, 2 * size, 2.1},
		"random records": {func(offset int64) int {
			return rand.New(rand.NewPCG(1, uint64(offset))).IntN(10) / 9 * 2
		}, 0, 2 * size, 2.1},
		"many results of a record": {func(offset int64) int { return max(0, 50-int(offset%500)) }, 0, 2 * size, 2.1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			o := options()
			o.MaxRecords, o.MaxBytes = size, c.maxSize
			const end = 8000
			run(t, s, o, c.results, 3, end)
			first := len(s.requests)
			records := len(s.values("/in"))
			if float64(first) > c.requests*float64(records)/size {
				t.Errorf("%d requests for %d records", first, records)
			}
			ends := []int64{16, 1011, 1013, 5000, end}
			run(t, s, o, c.results, 3, ends...)
			twice := len(s.values("/in")) - records
			t.Logf("%d records in %d requests, and %d of them twice", records, first, twice)
			if twice > len(ends)*c.repeated {
				t.Errorf("%d of %d records were sent again under another key", twice, records)
			}
			seen := map[string]bool{}
			for _, v := range s.values("/in") {
				seen[v] = true
			}
			if len(seen) != records {
				t.Errorf("%d records of %d", len(seen), records)
			}
		})
	}
}

// Requests of records that follow each other do not cross the end of a block of positions, wherever checkpoints end.
func TestRequestsEndWithBlocksOfPositions(t *testing.T) {
	s := newService(t)
	o := options()
	o.MaxRecords = 7
	run(t, s, o, func(int64) int { return 1 }, 3, 16, 17, 27, 28, 29, 50, 57)
	run(t, s, o, func(offset int64) int { return max(0, 1-int(offset%100)) }, 1000, 1500) // few records of many blocks: one request
	var sizes []int
	for _, body := range s.bodies {
		var entries []entry
		if err := json.Unmarshal([]byte(body), &entries); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(entries))
	}
	// 3 to 6, 7 to 13, 14 and 15; 16; 17 to 20, 21 to 26; 27; 28; 29 to 34, 35 to 41, 42 to 48, 49; 50 to 55, 56
	if diff := cmp.Diff([]int{4, 7, 2, 1, 4, 6, 1, 1, 6, 7, 7, 1, 6, 1, 5}, sizes); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
}

// A sink before another one, or of another task, is flushed again if that one fails: its next records are no repetition of
// those before, even if they are equal.
func TestEqualRecordsOfACheckpointThatIsMadeAgainAreNoRepetition(t *testing.T) {
	s := newService(t)
	w := opened(t, http.New(s.URL+"/in", options()))
	tick := func() {
		t.Helper()
		add(t, w, 4, "tick") // by a timer, after the record at offset 4
	}
	tick()
	if err := w.Flush(t.Context(), checkpoint(1, 0, 5)); err != nil {
		t.Fatal(err)
	}
	tick()
	if err := w.Flush(t.Context(), checkpoint(2, 0, 5)); err != nil { // the first was not completed
		t.Fatal(err)
	}
	tick()
	for id := range int64(2) {
		if err := w.Flush(t.Context(), checkpoint(3+id, 5, 5)); err != nil { // these were
			t.Fatal(err)
		}
		tick()
	}
	if got := s.values("/in"); len(got) != 4 {
		t.Errorf("4 records came to %q", got)
	}
	w.Discard()
	add(t, w, 5, "tock")
	if err := w.Flush(t.Context(), checkpoint(5, 5, 6)); err != nil {
		t.Fatal(err)
	}
	w.Discard() // that was not completed, and the input is read again
	add(t, w, 5, "tock")
	if err := w.Flush(t.Context(), checkpoint(6, 5, 6)); err != nil {
		t.Fatal(err)
	}
	if got := s.values("/in"); len(got) != 5 {
		t.Errorf("a repetition was taken: %q", got)
	}
}

// The answers to a request are lost, and there are more records when it is made again.
func TestARequestIsMadeAgainWithoutLaterRecords(t *testing.T) {
	s := newService(t)
	w := opened(t, http.New(s.URL+"/in", options()))
	end := s.during(takenWithoutAnswer(s))
	add(t, w, 0, "a", "b")
	err := w.Flush(t.Context(), checkpoint(1, 0, 2))
	if _, ok := errors.AsType[*weir.RetryLaterError](err); !ok {
		t.Fatalf("got %v", err)
	}
	end()
	add(t, w, 2, "c")
	if err := w.Flush(t.Context(), checkpoint(2, 0, 3)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, s.values("/in")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRequestsWithoutKeys(t *testing.T) {
	s := newService(t)
	o := options()
	o.IdempotencyHeader = "-"
	run(t, s, o, func(int64) int { return 1 }, 0, 2)
	if !slices.Equal(s.requests, []string{""}) || strings.Count(s.bodies[0], "Value") != 2 {
		t.Errorf("keys %q of %q", s.requests, s.bodies)
	}
}

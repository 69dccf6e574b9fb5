package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/letter"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/stream"
)

const lettersTopic = "deadletters__g"

// withLetters gives a cluster a policy, and the topic of dead letters.
func (c *cluster) withLetters(policy weir.ErrorPolicy) *cluster {
	c.t.Helper()
	c.config.Errors = policy
	c.plan.DeadLetters = lettersTopic
	var err error
	c.topics, err = provision.Prepare(context.Background(), c.broker, c.plan, provision.Options{DeadLetters: policy.DeadLetters, Logger: c.config.Logger})
	if err != nil {
		c.t.Fatal(err)
	}
	c.partitions = c.topics.Partitions
	return c
}

// letters returns the committed letters.
func (c *cluster) letters() (letters []broker.Record) {
	for n := range c.partitions[lettersTopic] {
		letters = append(letters, c.broker.Read(broker.TopicPartition{Topic: lettersTopic, Partition: n}, 0)...)
	}
	return letters
}

func header(r *broker.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return "(none)"
}

// letterOffsets returns the offsets of the records of the letters, by the headers.
func (c *cluster) letterOffsets() (offsets []int64) {
	c.t.Helper()
	for _, r := range c.letters() {
		offset, err := strconv.ParseInt(header(&r, letter.Offset), 10, 64)
		if err != nil {
			c.t.Fatal(err)
		}
		offsets = append(offsets, offset)
	}
	slices.Sort(offsets)
	return offsets
}

func eachGuarantee(t *testing.T, test func(t *testing.T, exactlyOnce bool)) {
	for _, exactlyOnce := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactlyOnce), func(t *testing.T) { test(t, exactlyOnce) })
	}
}

// passing writes a line for each order. f may fail.
func passing(f func(context.Context, weir.Record[string, order]) (totalLine, error)) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).MapRecord(f).To(totals)
	return t
}

func line(_ context.Context, r weir.Record[string, order]) (totalLine, error) {
	return totalLine{r.Value.Shop, r.Origin.Partition, r.Origin.Offset, r.Value.Amount}, nil
}

func TestARecordThatDoesNotDecodeBecomesALetterWithItsBytes(t *testing.T) {
	eachGuarantee(t, func(t *testing.T, exactlyOnce bool) {
		c := newCluster(t, passing(line), 1).withLetters(weir.ErrorPolicy{Action: weir.DeadLetter})
		c.config.ExactlyOnce = exactlyOnce
		c.order("a", 1, 1)
		bad := broker.Record{
			Key: []byte("k"), Value: []byte("{broken"), Millis: 77,
			Headers: []weir.Header{{Key: "trace", Value: []byte{0, 1}}, {Key: letter.Topic, Value: []byte("of an earlier letter")}, {Key: letter.Replays, Value: []byte("2")}},
		}
		if err := c.broker.Append(broker.TopicPartition{Topic: "orders"}, bad); err != nil {
			t.Fatal(err)
		}
		c.order("b", 2, 3)
		p := c.mustStart(memoryDisk{})
		c.clock.Advance(interval)
		p.mustRun()
		if diff := gocmp.Diff([]int64{0, 2}, c.writtenOffsets()); diff != "" {
			t.Errorf("output:\n%s", diff)
		}
		letters := c.letters()
		if len(letters) != 1 {
			t.Fatalf("%d letters", len(letters))
		}
		r := letters[0]
		if string(r.Key) != "k" || string(r.Value) != "{broken" || r.Millis != 77 {
			t.Errorf("the letter is not the record: %q %q %d", r.Key, r.Value, r.Millis)
		}
		got := map[string]string{}
		for _, h := range r.Headers {
			if _, twice := got[h.Key]; twice {
				t.Errorf("header %s is there twice", h.Key)
			}
			got[h.Key] = string(h.Value)
		}
		for name, want := range map[string]string{
			"trace": "\x00\x01", letter.Replays: "2", letter.Topic: "orders", letter.Partition: "0", letter.Offset: "1", letter.Group: "g", letter.Task: "orders/0",
			letter.Operator: "source orders", letter.Stage: "decode", letter.Attempt: "1", letter.Time: "2026-01-01T00:00:00.000Z",
		} {
			if got[name] != want {
				t.Errorf("header %s is %q, want %q", name, got[name], want)
			}
		}
		for _, name := range []string{letter.Message, letter.Exception, letter.Stack, letter.Site, letter.Version} {
			if got[name] == "" {
				t.Errorf("header %s is missing", name)
			}
		}
		if s := p.status()[0]; s.Skipped != 1 || s.DeadLetters != 1 || s.Processed != 3 {
			t.Errorf("status: %+v", s)
		}
		p.mustClose()
	})
}

var errPoison = errors.New("poison")

func TestARecordIsTriedAgainUntilItSucceedsAndNothingElseIsRepeatedMoreThanOnce(t *testing.T) {
	eachGuarantee(t, func(t *testing.T, exactlyOnce bool) {
		calls := map[int64]int{}
		c := newCluster(t, passing(func(ctx context.Context, r weir.Record[string, order]) (totalLine, error) {
			calls[r.Origin.Offset]++
			if r.Origin.Offset == 5 && calls[5] < 5 {
				return totalLine{}, errPoison
			}
			return line(ctx, r)
		}), 1).withLetters(weir.ErrorPolicy{Retry: &weir.Retry{Attempts: 5, FirstWait: time.Second}, Action: weir.DeadLetter})
		c.config.ExactlyOnce = exactlyOnce
		for i := range 10 {
			c.order("a", i, int64(i))
		}
		p := c.mustStart(memoryDisk{})
		for range 20 {
			c.clock.Advance(interval)
			p.mustRun()
		}
		written := c.writtenOffsets()
		if exactlyOnce {
			if diff := gocmp.Diff([]int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, written); diff != "" {
				t.Errorf("output:\n%s", diff)
			}
		}
		for offset := range int64(10) {
			most := 1
			switch {
			case offset < 5:
				most = 2
			case offset == 5:
				most = 5
			}
			if n := calls[offset]; n < 1 || n > most {
				t.Errorf("the record at offset %d was processed %d times, at most %d were expected", offset, n, most)
			}
			if !slices.Contains(written, offset) {
				t.Errorf("no output of offset %d", offset)
			}
		}
		if n := len(c.letters()); n != 0 || calls[5] != 5 {
			t.Errorf("%d letters after %d attempts", n, calls[5])
		}
		p.mustClose()
	})
}

func TestARecordThatFailsInAllAttemptsBecomesALetter(t *testing.T) {
	eachGuarantee(t, func(t *testing.T, exactlyOnce bool) {
		attempts := 0
		c := newCluster(t, passing(func(ctx context.Context, r weir.Record[string, order]) (totalLine, error) {
			if r.Origin.Offset == 0 {
				attempts++
				return totalLine{}, errPoison
			}
			return line(ctx, r)
		}), 1).withLetters(weir.ErrorPolicy{Rules: []weir.ErrorRule{
			{Stages: []weir.Stage{weir.StageDecode}, Action: weir.Fail},
			{Operators: []string{"map-2"}, Action: weir.Skip},
			{Topics: []string{"orders"}, Match: func(err error) bool { return errors.Is(err, errPoison) }, Retry: &weir.Retry{Attempts: 3}, Action: weir.DeadLetter},
		}})
		c.config.ExactlyOnce = exactlyOnce
		c.order("a", 1, 1)
		c.order("b", 1, 1)
		p := c.mustStart(memoryDisk{})
		for range 5 {
			c.clock.Advance(interval)
			p.mustRun()
		}
		if letters := c.letters(); len(letters) != 1 || header(&letters[0], letter.Attempt) != "3" || header(&letters[0], letter.Message) != "poison" || attempts != 3 {
			t.Errorf("%d attempts, letters %v", attempts, letters)
		}
		if diff := gocmp.Diff([]int64{1}, c.writtenOffsets()); diff != "" {
			t.Error(diff)
		}
		p.mustClose()
	})
}

// The bytes of such a record are not at hand any more: it is read again.
func TestARecordThatASinkRefusesBecomesALetterWithItsBytes(t *testing.T) {
	eachGuarantee(t, func(t *testing.T, exactlyOnce bool) {
		refuse := false
		to := &outside{flush: func(sink.Checkpoint) error {
			if !refuse {
				return nil
			}
			refuse = false
			return sink.RecordErrors{{Index: 0, Origin: weir.Origin{Topic: "orders", Offset: 3}, Err: errPoison}}
		}}
		c := newCluster(t, sinkPipeline(to), 1).withLetters(weir.ErrorPolicy{Action: weir.DeadLetter})
		c.config.ExactlyOnce = exactlyOnce
		for i := range 6 {
			c.order("a", i, int64(i))
		}
		p := c.mustStart(memoryDisk{})
		refuse = true
		c.clock.Advance(interval)
		p.mustRun()
		c.clock.Advance(interval)
		p.mustRun()
		letters := c.letters()
		if len(letters) != 1 {
			t.Fatalf("%d letters", len(letters))
		}
		want := c.broker.Read(broker.TopicPartition{Topic: "orders"}, 3)[0]
		if r := letters[0]; string(r.Value) != string(want.Value) || r.Millis != want.Millis || header(&r, letter.Stage) != "sink" {
			t.Errorf("the letter is %q of stage %s, want %q", r.Value, header(&r, letter.Stage), want.Value)
		}
		p.mustClose()
	})
}

func TestARecordOfAnAsynchronousCallBecomesALetterWithItsBytes(t *testing.T) {
	eachGuarantee(t, func(t *testing.T, exactlyOnce bool) {
		c := newCluster(t, called(3, func(_ context.Context, o order) (order, error) {
			if o.Amount == 7 {
				return o, errPoison
			}
			return o, nil
		}), 1).withLetters(weir.ErrorPolicy{Action: weir.DeadLetter})
		c.config.ExactlyOnce = exactlyOnce
		calls := newHeldCalls(lastCall)
		c.config.Calls = calls
		for i := range 10 {
			c.order("a", i, int64(i))
		}
		p := c.mustStart(memoryDisk{})
		for calls.one() {
			p.mustRun()
		}
		c.clock.Advance(interval)
		p.mustRun()
		if letters := c.letters(); len(letters) != 1 || c.decodeOrder(letters[0].Value).Amount != 7 {
			t.Errorf("letters: %v", letters)
		}
		if n := len(c.writtenOffsets()); n != 9 {
			t.Errorf("%d outputs", n)
		}
		p.mustClose()
	})
}

func TestARecordWithOutputThatTheClusterRefusesBecomesALetter(t *testing.T) {
	eachRefusal(t, func(t *testing.T, exactlyOnce bool, rc refusedCase) {
		var seen []int64
		c := refusing(t, exactlyOnce, rc, &seen)
		limits := c.topics.Limits
		c.withLetters(weir.ErrorPolicy{Action: weir.DeadLetter})
		maps.Copy(c.topics.Limits, limits)      // as they were before the cluster began to refuse
		if err := rc.configure(c); err != nil { // the preparation has mended internal topics
			t.Fatal(err)
		}
		for i := range 40 {
			if i == 13 || i == 14 {
				rc.bad(c)
			} else {
				c.order("b", i, begin.UnixMilli())
			}
		}
		p := c.mustStart(memoryDisk{})
		p.mustClose()
		letters := c.letterOffsets()
		if !exactlyOnce {
			letters = slices.Compact(letters)
		}
		if diff := gocmp.Diff([]int64{13, 14}, letters); diff != "" {
			t.Errorf("letters:\n%s", diff)
		}
		for _, r := range c.letters() {
			if header(&r, letter.Stage) != "produce" || r.Value == nil {
				t.Errorf("stage %s, value %q", header(&r, letter.Stage), r.Value)
			}
		}
	})
}

func TestALetterThatCannotBeWrittenEndsTheRun(t *testing.T) {
	for name, refuse := range map[string]func(c *cluster) error{
		"by the settings at the start": func(c *cluster) error {
			c.topics.Limits[lettersTopic] = provision.Limits{MaxMessageBytes: 100}
			return nil
		},
		"by the cluster": func(c *cluster) error { return c.broker.Configure(lettersTopic, "max.message.bytes", "100") },
	} {
		eachGuarantee(t, func(t *testing.T, exactlyOnce bool) {
			c := newCluster(t, passing(func(context.Context, weir.Record[string, order]) (totalLine, error) { return totalLine{}, errPoison }), 1).
				withLetters(weir.ErrorPolicy{Action: weir.DeadLetter})
			c.config.ExactlyOnce = exactlyOnce
			if err := refuse(c); err != nil {
				t.Fatal(err)
			}
			c.order("a", 1, 1)
			p, err := c.start(memoryDisk{}, "static")
			for i := 0; err == nil && i < 5; i++ {
				c.clock.Advance(interval)
				err = p.run()
			}
			if err == nil || !strings.Contains(err.Error(), "write a dead letter to "+lettersTopic) {
				t.Errorf("%s: got %v", name, err)
			}
			if committed := c.broker.Committed(groupName)[broker.TopicPartition{Topic: "orders"}]; committed > 0 {
				t.Errorf("offset %d is committed", committed)
			}
		})
	}
}

func TestTooGreatAShareOfLettersEndsTheRun(t *testing.T) {
	for _, share := range []float64{0, 1} { // 0 is the default
		eachGuarantee(t, func(t *testing.T, exactlyOnce bool) {
			c := newCluster(t, passing(func(ctx context.Context, r weir.Record[string, order]) (totalLine, error) {
				if r.Origin.Offset >= 200 && r.Origin.Offset%5 > 0 {
					return totalLine{}, errPoison
				}
				return line(ctx, r)
			}), 1).withLetters(weir.ErrorPolicy{Action: weir.DeadLetter, DeadLetters: weir.DeadLetterOptions{MaxShare: share}})
			c.config.ExactlyOnce = exactlyOnce
			for i := range 200 {
				c.order("a", i, int64(i))
			}
			p := c.mustStart(memoryDisk{})
			c.clock.Advance(interval)
			p.mustRun()
			for i := range 200 {
				c.order("a", i, int64(i))
			}
			p.mustRun()
			c.clock.Advance(interval)
			err := p.run()
			if share == 1 {
				if n := len(c.letters()); err != nil || n != 160 {
					t.Errorf("the limit is off: %d letters, %v", n, err)
				}
				p.mustClose()
				return
			}
			if !errors.Is(err, weir.ErrTooManyLetters) || !strings.Contains(err.Error(), "160 of 200") || !strings.Contains(err.Error(), "poison") {
				t.Errorf("got %v", err)
			}
			if n := len(c.letters()); n != 0 {
				t.Errorf("%d letters are left", n)
			}
		})
	}
}

func TestADroppedRecordBecomesALetterAndGoesOnToOtherOperators(t *testing.T) {
	eachGuarantee(t, func(t *testing.T, exactlyOnce bool) {
		topology := stream.NewTopology()
		in := topology.From(orders)
		in.MapStateRecord(total, sumUp).To(totals)
		in.To(orders2)
		c := newCluster(t, topology, 1, func(spec *broker.TopicSpec) {
			if spec.Name == windows.Name() {
				spec.Name = orders2.Name()
			}
		}).withLetters(weir.ErrorPolicy{Dropped: map[weir.DropReason]weir.ErrorAction{weir.DropNullKey: weir.DeadLetter}})
		c.config.ExactlyOnce = exactlyOnce
		value, err := json.Marshal(order{ID: 1, Shop: "a"})
		if err == nil {
			err = c.broker.Append(broker.TopicPartition{Topic: "orders"}, broker.Record{Value: value, Millis: 5})
		}
		if err != nil {
			t.Fatal(err)
		}
		p := c.mustStart(memoryDisk{})
		c.clock.Advance(interval)
		p.mustRun()
		letters := c.letters()
		if len(letters) != 1 || letters[0].Key != nil || string(letters[0].Value) != string(value) || header(&letters[0], letter.Reason) != "null key" {
			t.Errorf("letters: %+v", letters)
		}
		if n := len(c.broker.Read(broker.TopicPartition{Topic: orders2.Name()}, 0)); n != 1 {
			t.Errorf("%d records have come to the other operator", n)
		}
		if s := p.status()[0]; s.NullKeys != 1 || s.Skipped != 0 || s.DeadLetters != 1 {
			t.Errorf("%+v", s)
		}
		p.mustClose()
	})
}

func TestADecideFunctionSeesTheRecord(t *testing.T) {
	c := newCluster(t, passing(func(ctx context.Context, r weir.Record[string, order]) (totalLine, error) {
		return totalLine{}, errPoison
	}), 1).
		withLetters(weir.ErrorPolicy{DeadLetters: weir.DeadLetterOptions{Topic: lettersTopic}, Decide: func(f *weir.FailedRecord) weir.ErrorAction {
			raw, err := f.Raw()
			if err != nil || string(raw.Key) != "customer 0" || raw.Millis != 9 || raw.Origin.Offset != 0 {
				t.Errorf("%+v %v", raw, err)
			}
			decoded, err := f.Decoded()
			if o, ok := decoded.Value.(order); err != nil || !ok || o.Shop != "a" || decoded.Key != "customer 0" {
				t.Errorf("%+v %v", decoded, err)
			}
			if f.Stage != weir.StageProcess || !errors.Is(f, errPoison) {
				t.Errorf("%v at %s", f.ProcessingError, f.Stage)
			}
			if f.Attempt < 3 {
				return weir.TryAgain
			}
			return weir.DeadLetter
		}})
	c.order("a", 1, 9)
	p := c.mustStart(memoryDisk{})
	for range 4 {
		c.clock.Advance(interval)
		p.mustRun()
	}
	if letters := c.letters(); len(letters) != 1 || header(&letters[0], letter.Attempt) != "3" {
		t.Errorf("letters: %v", letters)
	}
	p.mustClose()
}

var orders2 = stream.NewTopic("orders2", orders.KeyCodec(), orders.ValueCodec())

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/deadletter"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// lettersChild is a process that copies numbers, and writes everything else as dead letters.
type lettersChild struct {
	Brokers                   []string
	Group, StateDir, Instance string
	From, To                  string // topics
	ExactlyOnce               bool
}

func numbersTopic(name string) stream.Topic[string, int] {
	return stream.NewTopic(name, codec.String(), codec.JSON[int]())
}

func (c *lettersChild) run() int {
	topology := stream.NewTopology()
	topology.From(numbersTopic(c.From)).To(numbersTopic(c.To))
	config := runtime.Config{
		Connection: kafka.Connection{Brokers: c.Brokers}, Group: c.Group, Workers: 2, Errors: weir.ErrorPolicy{Action: weir.DeadLetter},
		State: runtime.StateConfig{Dir: c.StateDir, LockWait: 10 * time.Second}, Checkpoint: runtime.CheckpointConfig{Interval: 50 * time.Millisecond},
		Membership: runtime.MembershipConfig{InstanceID: c.Instance, SessionTimeout: 10 * time.Second, RebalanceTimeout: 10 * time.Second},
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1})),
	}
	if c.ExactlyOnce {
		config.Guarantee = runtime.ExactlyOnce
	}
	app, err := runtime.New(topology, config)
	if err == nil {
		err = app.Run(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// mixed is a number, or for every fifth a text that is none.
func mixed(n int) broker.Record {
	r := number(n)
	if n%5 == 0 {
		r.Value = []byte("bad " + strconv.Itoa(n))
		r.Headers = []weir.Header{{Key: "n", Value: []byte(strconv.Itoa(n))}}
	}
	return r
}

// A process that is killed again and again loses no letter, and exactly once it writes none twice.
func TestKilledProcessesLoseNoDeadLetter(t *testing.T) {
	kafkatest.Parallel(t)
	for _, exactlyOnce := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactlyOnce), func(t *testing.T) {
			const partitions = 2
			k := newKafka(t)
			c := lettersChild{
				Brokers: k.Brokers, Group: k.group, StateDir: t.TempDir(), Instance: "member", ExactlyOnce: exactlyOnce,
				From: k.Topic(t, "from", partitions), To: k.Topic(t, "to", partitions),
			}
			written := 0
			write := func(n int) {
				for range n {
					k.write(c.From, int32(written%partitions), mixed(written), mixed(written+1), mixed(written+2))
					written += 3
				}
			}
			write(30)
			random := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
			kills := longtest.Cases(2, 12)
			for range kills {
				p := start(t, child{Letters: &c})
				before := k.committed(c.From, 0)
				write(10)
				enough := before + 1 + int64(random.IntN(20)) // the moment of the kill is random
				await(t, "progress", func() bool { return k.committed(c.From, 0) >= min(enough, int64(written/partitions)) })
				if err := p.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				p.awaitExit()
			}
			start(t, child{Letters: &c})
			await(t, "all input is processed", func() bool {
				var committed int64
				for p := range int32(partitions) {
					committed += max(0, k.committed(c.From, p))
				}
				return committed == int64(written)
			})
			got := map[string]int{}
			for _, r := range k.read(deadletter.Topic(k.group)) {
				got[string(r.Value)]++
			}
			for n := range written {
				text := "bad " + strconv.Itoa(n)
				switch count := got[text]; {
				case n%5 == 0 && count == 0:
					t.Errorf("%s has no letter", text)
				case n%5 == 0 && count > 1 && exactlyOnce:
					t.Errorf("%s has %d letters", text, count)
				case n%5 != 0 && count > 0:
					t.Errorf("%s has a letter", text)
				}
			}
			if exactlyOnce {
				if n, want := len(k.read(c.To)), written-(written+4)/5; n != want {
					t.Errorf("%d numbers are written, of %d", n, want)
				}
			}
		})
	}
}

// The letters of a run are read, counted, and replayed to an application that takes them.
func TestLettersAreReadAndReplayed(t *testing.T) {
	kafkatest.Parallel(t)
	ctx := within(t)
	k := newKafka(t)
	from, to := k.Topic(t, "from", 2), k.Topic(t, "to", 2)
	for n := range 30 {
		k.write(from, int32(n%2), mixed(n))
	}
	topology := func(decode func(string) (int, error)) *stream.Topology {
		topology := stream.NewTopology()
		topology.From(stream.NewTopic(from, codec.String(), codec.String())).
			MapRecord(func(_ context.Context, r weir.Record[string, string]) (int, error) { return decode(r.Value) }).
			To(numbersTopic(to))
		return topology
	}
	config := k.config()
	config.Errors = weir.ErrorPolicy{Action: weir.DeadLetter}
	app := run(t, topology(strconv.Atoi), config)
	app.awaitProcessed(30)
	app.stop()

	clients := kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Logger: logger(t)}
	topic := deadletter.Topic(k.group)
	reader, err := deadletter.NewReader(ctx, clients, deadletter.ReaderOptions{Topic: topic, Group: k.Name("reader"), Filter: func(l *deadletter.Letter) bool {
		return strings.HasSuffix(l.Message, `"bad 15": invalid syntax`)
	}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := reader.Poll(ctx, 30*time.Second)
	if err != nil || l == nil {
		t.Fatalf("%v %v", l, err)
	}
	want := deadletter.Letter{
		Origin: weir.Origin{Topic: from, Partition: 1, Offset: 7}, At: l.At, Key: []byte("0"), Value: []byte("bad 15"), Time: time.UnixMilli(now), Failed: l.Failed,
		Headers: []weir.Header{{Key: "n", Value: []byte("15")}}, Exception: "*strconv.NumError", Message: `strconv.Atoi: parsing "bad 15": invalid syntax`,
		Stacktrace: l.Stacktrace, Group: k.group, Task: from + "/1", Operator: "map-1", Site: l.Site, Version: l.Version, Stage: weir.StageProcess, Attempt: 1,
	}
	if diff := cmp.Diff(&want, l); diff != "" || time.Since(l.Failed) > time.Hour || !strings.Contains(l.Site, "letters_test.go") {
		t.Errorf("letter:\n%s", diff)
	}
	if r, err := deadletter.Decode(stream.NewTopic(from, codec.String(), codec.String()), l); err != nil || r.Value != "bad 15" || r.Key != "0" || r.Millis != now {
		t.Errorf("%+v %v", r, err)
	}
	if err := reader.Close(ctx); err != nil {
		t.Error(err)
	}

	options := deadletter.ReplayOptions{Topic: topic, Group: k.Name("replay"), DryRun: true, Exceptions: []string{"*strconv.NumError"}, Idle: 3 * time.Second}
	report, err := deadletter.Replay(ctx, clients, options)
	wantReport := &deadletter.ReplayReport{
		Replayed: 6, ByTopic: map[string]int{from: 6}, ByException: map[string]int{"*strconv.NumError": 6}, ByOperator: map[string]int{"map-1": 6},
	}
	if diff := cmp.Diff(wantReport, report); err != nil || diff != "" {
		t.Fatalf("dry run: %v\n%s", err, diff)
	}
	if n := len(k.read(from)); n != 30 {
		t.Errorf("the dry run has written: %d records", n)
	}
	options.DryRun, options.Limit = false, 2
	for run, want := range []int{2, 4, 0} { // a limited run, the rest, and nothing more
		if report, err = deadletter.Replay(ctx, clients, options); err != nil || report.Replayed != want {
			t.Fatalf("run %d: %+v %v", run, report, err)
		}
		options.Limit = 0
	}

	app = run(t, topology(func(text string) (int, error) { return strconv.Atoi(strings.TrimPrefix(text, "bad ")) }), config)
	app.awaitProcessed(6)
	app.stop()
	var got []string
	for _, r := range k.read(to) {
		got = append(got, string(r.Value))
	}
	consumer, err := kafka.NewConsumer(ctx, clients, kafka.ConsumerOptions{Topics: []string{from}, Group: k.Name("look")})
	if err != nil {
		t.Fatal(err)
	}
	for range 36 {
		m, err := consumer.Poll(ctx, 30*time.Second)
		if err != nil || m == nil {
			t.Fatalf("%v %v", m, err)
		}
		if m.Offset < 15 {
			continue // it was there before
		}
		var headers []string
		for _, h := range m.Headers {
			headers = append(headers, h.Key+"="+string(h.Value))
		}
		if diff := cmp.Diff([]string{"n=" + strings.TrimPrefix(string(m.Value), "bad "), deadletter.HeaderReplays + "=1"}, headers); diff != "" || m.Time.UnixMilli() != now {
			t.Errorf("a replayed record has the time %v and these headers:\n%s", m.Time, diff)
		}
	}
	if err := consumer.Close(ctx); err != nil {
		t.Error(err)
	}
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != 30 || len(got) != 30 {
		t.Errorf("%d results, %d of them different", len(got), n)
	}
	options.Group, options.MaxReplays = k.Name("again"), 1
	options.Before = time.Now().Add(-time.Hour)
	if report, err = deadletter.Replay(ctx, clients, options); err != nil || report.Filtered != 6 {
		t.Errorf("%+v %v", report, err)
	}
}

// Each start reads a global table whole: a record of it has one letter all the same.
func TestABadRecordOfAGlobalTableHasOneLetterHoweverOftenItIsRead(t *testing.T) {
	kafkatest.Parallel(t)
	for _, guarantee := range []runtime.Guarantee{runtime.AtLeastOnce, runtime.ExactlyOnce} {
		k := newKafka(t)
		rows, from, to := k.Topic(t, "rows", 1), k.Topic(t, "from", 1), k.Topic(t, "to", 1)
		k.write(rows, 0, raw("a", "1"), raw("b", "bad"), raw("c", "worse"))
		k.write(from, 0, raw("a", "1"))
		for start := range 3 {
			topology := stream.NewTopology()
			table := topology.GlobalTable(numbersTopic(rows))
			topology.From(numbersTopic(from)).JoinGlobal(table, func(int) string { return "a" }, func(n, row int) int { return n + row }).To(numbersTopic(to))
			config := k.config()
			config.Guarantee = guarantee
			config.Errors = weir.ErrorPolicy{Action: weir.DeadLetter}
			app := run(t, topology, config)
			app.await("the table", func(s runtime.Status) bool { return len(s.Globals) == 1 && !s.Globals[0].Loading })
			app.stop()
			if got := len(k.read(deadletter.Topic(k.group))); got != 2 {
				t.Fatalf("%d letters after start %d", got, start)
			}
		}
		reader, err := deadletter.NewReader(within(t), kafka.Config{Connection: kafka.Connection{Brokers: k.Brokers}, Logger: logger(t)},
			deadletter.ReaderOptions{Topic: deadletter.Topic(k.group), Group: k.Name("reader")})
		if err != nil {
			t.Fatal(err)
		}
		for offset := range int64(2) {
			l, err := reader.Poll(within(t), 30*time.Second)
			if err != nil || l == nil || l.Stage != weir.StageGlobalTable || l.Origin.Topic != rows || l.Origin.Offset != offset+1 {
				t.Errorf("%+v %v", l, err)
			}
		}
		if err := reader.Close(within(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestMistakesInAnErrorPolicyAreReportedTogether(t *testing.T) {
	_, err := runtime.New(pipeline{input: "in", output: "out"}.topology(), runtime.Config{
		Connection: kafka.Connection{Brokers: []string{"localhost:1"}}, Group: "g", Errors: weir.ErrorPolicy{
			Action: weir.TryAgain, Rules: []weir.ErrorRule{{Stages: []weir.Stage{"coding"}, Action: weir.Skip, Decide: func(*weir.FailedRecord) weir.ErrorAction { return weir.Skip }}},
			Dropped: map[weir.DropReason]weir.ErrorAction{weir.DropLate: weir.TryAgain, "tired": weir.Skip}, DeadLetters: weir.DeadLetterOptions{MaxShare: 2},
		},
	})
	if !errors.Is(err, weir.ErrConfiguration) {
		t.Fatal(err)
	}
	for _, want := range []string{"Errors.Action is TryAgain", `Errors.Rules[0].Stages: unknown stage "coding"`, "Errors.Rules[0] has an Action and a Decide", `Errors.Dropped["late"]`, `"tired"`, "MaxShare is 2"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s: %v", want, err)
		}
	}
}

// The console consumer of Apache Kafka shows the headers of a letter as text: names, numbers and times.
func TestLettersAreReadableByTheConsoleConsumer(t *testing.T) {
	kafkatest.Parallel(t)
	jars := os.Getenv("WEIR_TEST_KAFKA_JARS")
	if jars == "" {
		t.Skip("it takes the distribution of Apache Kafka: go run ./internal/testserver kafka -- go test ./runtime")
	}
	k := newKafka(t)
	in := k.Topic(t, "in", 1)
	k.write(in, 0, raw("k", "no number"))
	topology := stream.NewTopology()
	topology.From(numbersTopic(in)).Peek(func(int) {})
	config := k.config()
	config.Errors = weir.ErrorPolicy{Action: weir.DeadLetter}
	app := run(t, topology, config)
	app.awaitProcessed(1)
	app.stop()

	command := exec.CommandContext(within(t), "java", "-cp", jars, "org.apache.kafka.tools.consumer.ConsoleConsumer",
		"--bootstrap-server", k.Brokers[0], "--topic", deadletter.Topic(k.group), "--from-beginning", "--max-messages", "1", "--timeout-ms", "30000",
		"--formatter-property", "print.headers=true", "--formatter-property", "print.key=true")
	var log strings.Builder
	command.Stderr = &log
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, want := range []string{
		"__streams.errors.topic:" + in, "__streams.errors.partition:0", "__streams.errors.offset:0", "__streams.errors.exception:", "__streams.errors.message:",
		"__weir.errors.group:" + k.group, "__weir.errors.task:" + in + "/0", "__weir.errors.stage:decode", "__weir.errors.attempt:1", "\tk\tno number",
	} {
		if !strings.Contains(string(output), want) {
			t.Errorf("%q is not in the output", want)
		}
	}
	if strings.IndexFunc(string(output), func(r rune) bool { return r == '\ufffd' || r < ' ' && r != '\t' && r != '\n' }) >= 0 {
		t.Error("there is something that is no text")
	}
	if t.Failed() {
		t.Logf("%s", output)
	}
}

package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
)

func jsonText(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// stayPut is a checkpoint interval that no test lives to see.
const stayPut = time.Hour

func TestAStopCommitsEverythingThatWasProcessed(t *testing.T) {
	kafkatest.Parallel(t)
	for _, workers := range []int{1, 2, 8} { // of two partitions
		t.Run(jsonText(workers)+" workers", func(t *testing.T) {
			t.Parallel()
			k := newKafka(t)
			p := pipeline{input: k.Topic(t, "in", 2), output: k.Topic(t, "out", 2)}
			config := k.config()
			config.Workers, config.Checkpoint.Records, config.Checkpoint.Interval = workers, 0, stayPut
			k.write(p.input, 0, numbers(0, 100)...)
			app := run(t, p.topology(), config)
			app.awaitProcessed(100)
			if got := k.committed(p.input, 0); got != 0 {
				t.Errorf("committed offset %d before the first checkpoint", got)
			}
			app.stop()
			if got := k.committed(p.input, 0); got != 100 {
				t.Errorf("committed offset %d, want 100", got)
			}
			if n := len(k.read(p.output)); n != 100 {
				t.Errorf("%d records written, want 100", n)
			}

			// The next one goes on there, with the state.
			k.write(p.input, 0, numbers(100, 150)...)
			p.seen = &offsets{}
			app = run(t, p.topology(), config)
			app.awaitProcessed(50)
			app.stop()
			if seen := p.seen.get(); len(seen) != 50 || seen[0] != 100 {
				t.Errorf("processed offsets %v", seen)
			}
			k.checkTotals(p.output, numbers(0, 150))
			if n := len(k.read(p.output)); n != 150 {
				t.Errorf("%d records written, want 150", n)
			}
		})
	}
}

func TestTheStatusShowsStateTasksLagAndCounts(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 2), output: k.Topic(t, "out", 2)}
	k.write(p.input, 1, numbers(0, 40)...)
	goOn := make(chan struct{})
	var once sync.Once
	defer once.Do(func() { close(goOn) })
	p.f = func(_ context.Context, n int) (int, error) {
		if n == 10 {
			<-goOn
		}
		return n, nil
	}
	config := k.config()
	config.Workers = 2
	app := run(t, p.topology(), config)
	if s := app.Status(); s.State != runtime.Starting || len(s.Tasks) != 0 {
		t.Errorf("at the start: %+v", s)
	}
	app.await("two tasks", func(s runtime.Status) bool { return s.State == runtime.Running && len(s.Tasks) == 2 })
	// Two checkpoints of four records each, and then the one that waits.
	app.await("lag", func(s runtime.Status) bool { return s.Lag() == 32 })
	once.Do(func() { close(goOn) })
	app.await("no lag", func(s runtime.Status) bool { return s.Lag() == 0 && !s.Tasks[0].Restoring })
	s := app.Status()
	if len(s.Tasks) != 2 || s.Tasks[0].Name != p.input+"/0" || s.Tasks[1].Name != p.input+"/1" {
		t.Fatalf("tasks %+v", s.Tasks)
	}
	if idle := s.Tasks[0]; idle.Processed != 0 || !idle.StreamTime.IsZero() || idle.Restoring {
		t.Errorf("idle task %+v", idle)
	}
	if busy := s.Tasks[1]; busy.Processed != 40 || busy.StreamTime.UnixMilli() != now || busy.Restoring || busy.Skipped != 0 {
		t.Errorf("busy task %+v", busy)
	}
	app.stop()
	if s := app.Status(); s.State != runtime.Stopped || len(s.Tasks) != 0 || s.State.String() != "stopped" {
		t.Errorf("after the stop: %+v", s)
	}
}

// Work that does not end in time is given up: it is not committed, and Run says so.
func TestAStopThatTakesTooLongIsAnErrorAndCommitsNothing(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	k.write(p.input, 0, numbers(0, 20)...)
	config := k.config()
	config.Checkpoint.Records, config.Checkpoint.Interval = 0, stayPut
	config.ShutdownTimeout = 100 * time.Millisecond
	reached := make(chan struct{})
	stuck := p
	stuck.f = func(ctx context.Context, n int) (int, error) {
		if n == unlucky {
			close(reached)
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return n, nil
	}
	app := run(t, stuck.topology(), config)
	select {
	case <-reached:
	case <-within(t).Done():
		t.Fatal("the record was not reached")
	}
	app.cancel()
	if err := app.failure(); err == nil || !strings.Contains(err.Error(), "ShutdownTimeout (100ms)") {
		t.Fatalf("got %v", err)
	}
	if got := k.committed(p.input, 0); got != 0 {
		t.Errorf("committed offset %d", got)
	}
	config.ShutdownTimeout = 0 // the last checkpoint may take longer on a busy machine
	app = run(t, p.topology(), config)
	app.awaitProcessed(20)
	app.stop()
	k.checkTotals(p.output, numbers(0, 20))
}

// Without a broker there is no last checkpoint. That is not what a stop promises, so it is an error.
func TestAStopWithoutABrokerIsAnError(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	if k.Real() {
		t.Skip("the cluster is shared")
	}
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	k.write(p.input, 0, numbers(0, 20)...)
	config := k.config()
	config.Checkpoint.Records, config.Checkpoint.Interval = 0, stayPut
	config.ShutdownTimeout = 300 * time.Millisecond
	app := run(t, p.topology(), config)
	app.awaitProcessed(20)
	k.Kafka.Cluster().Close()
	app.cancel()
	if err := app.failure(); err == nil || !strings.Contains(err.Error(), "ShutdownTimeout (300ms)") {
		t.Fatalf("got %v", err)
	}
}

// A function that fails ends the others, too: Run does not wait for work that takes long.
func TestAnErrorOfOneTaskEndsFunctionsOfOthers(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 2), output: k.Topic(t, "out", 1)}
	k.write(p.input, 0, number(0))
	k.write(p.input, 1, number(unlucky))
	config := k.config()
	config.Workers = 2
	waits := make(chan struct{})
	p.f = func(ctx context.Context, n int) (int, error) {
		if n == unlucky {
			<-waits
			return 0, errUnlucky
		}
		close(waits)
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if err := run(t, p.topology(), config).failure(); !errors.Is(err, errUnlucky) {
		t.Fatalf("got %v", err)
	}
	for partition := range int32(2) {
		if got := k.committed(p.input, partition); got != 0 {
			t.Errorf("partition %d: committed offset %d", partition, got)
		}
	}
}

func TestSIGTERMStopsTheProcessAfterACheckpoint(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	k.write(p.input, 0, numbers(0, 100)...)
	config := k.config()
	config.Checkpoint.Records, config.Checkpoint.Interval = 0, stayPut
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		before := k.committed(p.input, 0)
		process := start(t, application(config, p, 100))
		process.awaitReady()
		if got := k.committed(p.input, 0); got != before {
			t.Errorf("committed offset %d before the first checkpoint", got)
		}
		if err := process.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		process.awaitExit()
		if code := process.ProcessState.ExitCode(); code != 0 || process.output.Len() > 0 {
			t.Errorf("%v: exit code %d: %s", signal, code, process.output.String())
		}
		if got := k.committed(p.input, 0); got != before+100 {
			t.Errorf("%v: committed offset %d, want %d", signal, got, before+100)
		}
		if n := len(k.read(p.output)); int64(n) != before+100 {
			t.Errorf("%v: %d records written, want %d", signal, n, before+100)
		}
		k.write(p.input, 0, numbers(100, 200)...)
	}
	k.checkTotals(p.output, numbers(0, 200))
}

// A signal during the start is a stop like any other.
func TestSIGTERMDuringTheStartIsNoError(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	config := k.config()
	config.State.LockWait = time.Hour
	holder := start(t, child{LockDir: config.State.Dir + "/" + config.Group})
	holder.awaitReady()
	process := start(t, application(config, p, 0)) // ready once it has begun
	process.awaitReady()
	// It becomes ready before Run has asked for signals: the internal topic shows that it has come further.
	await(t, "the changelog", func() bool {
		name := "changelog__" + k.group + "--" + p.input + "--sum"
		infos, err := k.Topics(within(t), name)
		return err == nil && infos[name].Partitions == 1
	})
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	process.awaitExit()
	if code := process.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d: %s", code, process.output.String())
	}
}

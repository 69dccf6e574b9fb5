package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/kafka"

	"github.com/weirstreams/weir/runtime"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		os.Exit(runChild(text))
	}
	kafkatest.ManyAtOnce()
	kafkatest.VerifyTestMain(m)
}

// childVariable makes the test binary one of the processes below.
const childVariable = "WEIR_TEST_CHILD"

// child is what another process has to do.
type child struct {
	// LockDir is a state directory to hold until the input ends.
	LockDir string
	// Source is an application with a source, which runs until its sources are at their ends, or until it is killed.
	Source *sourceChild
	// HTTP is an application that sends a topic to a service until it is killed.
	HTTP *httpChild
	// Kafka is an application that copies a topic of another cluster until it is killed.
	Kafka *kafkaChild
	// Letters is an application that writes dead letters until it is killed.
	Letters *lettersChild
	// Otherwise it is an application that runs until it is told to stop. It says so when it has processed Records.
	Brokers         []string
	Group, StateDir string
	StateLockWait   time.Duration
	Input, Output   string
	Records         int64
}

// application returns a process that runs a pipeline without checkpoints, but for the last.
func application(c runtime.Config, p pipeline, records int64) child {
	return child{
		Brokers: c.Connection.Brokers, Group: c.Group, StateDir: c.State.Dir, StateLockWait: c.State.LockWait,
		Input: p.input, Output: p.output, Records: records,
	}
}

// childReady is the line that a child writes when it has done what it is waited for.
const childReady = "ready"

func runChild(text string) int {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		fmt.Println(err)
		return 2
	}
	if c.Letters != nil {
		return c.Letters.run()
	}
	if c.Kafka != nil {
		return c.Kafka.run()
	}
	if c.HTTP != nil {
		return c.HTTP.run()
	}
	if c.Source != nil {
		return c.Source.run()
	}
	if c.LockDir != "" {
		lock, err := state.LockDir(context.Background(), c.LockDir, 0)
		if err != nil {
			fmt.Println(err)
			return 2
		}
		fmt.Println(childReady)
		io.Copy(io.Discard, os.Stdin)
		lock.Unlock()
		return 0
	}
	app, err := runtime.New(pipeline{input: c.Input, output: c.Output}.topology(), runtime.Config{
		Connection: kafka.Connection{Brokers: c.Brokers}, Group: c.Group, State: runtime.StateConfig{Dir: c.StateDir, LockWait: c.StateLockWait},
		Workers: 1, Checkpoint: runtime.CheckpointConfig{Interval: stayPut}, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Println(err)
		return 2
	}
	go func() {
		for tick := time.Tick(5 * time.Millisecond); ; <-tick {
			if processed(app.Status()) >= c.Records {
				fmt.Println(childReady)
				return
			}
		}
	}()
	if err := app.Run(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

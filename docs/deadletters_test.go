package docs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/deadletter"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
)

var errTooOld = errors.New("too old")

func simpleErrorPolicy(config *runtime.Config) {
	config.Errors = weir.ErrorPolicy{Action: weir.DeadLetter}
}

func errorPolicy(config *runtime.Config) {
	config.Errors = weir.ErrorPolicy{
		Rules: []weir.ErrorRule{
			{Stages: []weir.Stage{weir.StageDecode}, Topics: []string{"orders"}, Action: weir.DeadLetter},
			{Stages: []weir.Stage{weir.StageLookup}, Retry: &weir.Retry{Attempts: 10, MaxWait: time.Minute}, Action: weir.Fail},
			{Operators: []string{"map-1"}, Match: func(err error) bool { return errors.Is(err, errTooOld) }, Action: weir.Skip},
		},
		Action:  weir.DeadLetter,
		Dropped: map[weir.DropReason]weir.ErrorAction{weir.DropNullKey: weir.DeadLetter},
	}
}

func readLetters(ctx context.Context, config kafka.Config) error {
	reader, err := deadletter.NewReader(ctx, config, deadletter.ReaderOptions{Topic: deadletter.Topic("shop"), Group: "incident-12"})
	if err != nil {
		return err
	}
	for {
		letter, err := reader.Poll(ctx, 5*time.Second)
		if err != nil || letter == nil {
			return errors.Join(err, reader.Close(ctx))
		}
		fmt.Println(letter.Failed, letter.Origin.Topic, letter.Operator, letter.Message)
	}
}

func replayLetters(ctx context.Context, config kafka.Config) (*deadletter.ReplayReport, error) {
	report, err := deadletter.Replay(ctx, config, deadletter.ReplayOptions{
		Topic:      deadletter.Topic("shop"),
		DryRun:     true, // counts by topic, error and operator, and writes nothing
		After:      time.Now().Add(-24 * time.Hour),
		Exceptions: []string{"*strconv.NumError"},
		Limit:      1000,
	})
	return report, err
}

var _ = []any{simpleErrorPolicy, errorPolicy, readLetters, replayLetters}

package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir/deadletter"
	"github.com/weirstreams/weir/kafka"
)

// The letters of an application are read, and a dry run of the replay says which would be written back.
func Example() {
	config := kafka.Config{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}}
	letters := deadletter.Topic("shop")
	fmt.Println(letters)

	_ = func(ctx context.Context) error {
		reader, err := deadletter.NewReader(ctx, config, deadletter.ReaderOptions{Topic: letters, Group: "incident-12"})
		if err != nil {
			return err
		}
		letter, err := reader.Poll(ctx, 5*time.Second)
		if letter != nil {
			fmt.Println(letter.Origin.Topic, letter.Operator, letter.Message)
		}
		return errors.Join(err, reader.Close(ctx))
	}

	_ = func(ctx context.Context) error {
		_, err := deadletter.Replay(ctx, config, deadletter.ReplayOptions{Topic: letters, DryRun: true})
		return err
	}
	// Output: deadletters__shop
}

package redis_test

import (
	"fmt"
	"os"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/redis"
	"github.com/weirstreams/weir/stream"
)

type score struct {
	Player string  `json:"player"`
	Points float64 `json:"points"`
}

// A leaderboard: a sorted set, and the time of the last game of each player, in one step.
func ExampleOptions() {
	scores := stream.NewTopic("scores", codec.String(), codec.JSON[score]())
	t := stream.NewTopology()
	t.From(scores).Sink("leaderboard", redis.New(redis.Options[string, score]{
		URL: secret.New(os.Getenv("REDIS_URL")),
		Commands: func(r *weir.Record[string, score]) ([]redis.Command, error) {
			return []redis.Command{
				{"ZADD", "{leaderboard}", "GT", r.Value.Points, r.Value.Player},
				{"HSET", "{leaderboard}:played", r.Value.Player, r.Time().UTC().Format(time.RFC3339)},
			}, nil
		},
	}))
	fmt.Println(t.Validate())
	// Output: <nil>
}

// Each record is an entry of a stream, once, although the application processes records again after a crash.
func Example() {
	scores := stream.NewTopic("scores", codec.String(), codec.JSON[score]())
	t := stream.NewTopology()
	t.From(scores).Sink("scores", redis.New(redis.Options[string, score]{
		URL: secret.New(os.Getenv("REDIS_URL")), Kind: redis.Stream, Name: "scores", MaxLength: 1_000_000, Once: true,
	}))
	fmt.Println(t.Validate())
	// Output: <nil>
}

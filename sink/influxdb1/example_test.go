package influxdb1_test

import (
	"fmt"
	"os"
	"strconv"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/influxdb1"
	"github.com/weirstreams/weir/stream"
)

type reading struct {
	Sensor   string  `json:"sensor"`
	Degrees  float64 `json:"degrees"`
	Messages int     `json:"messages"`
}

func Example() {
	readings := stream.NewTopic("readings", codec.String(), codec.JSON[reading]())
	influx := influxdb1.New("https://influx.example.com:8086", influxdb1.Options[string, reading]{
		Database:    "plant",
		Measurement: "readings",
		Tags:        []string{"sensor"},
		Auth:        influxdb1.Basic("writer", secret.New(os.Getenv("INFLUX_PASSWORD"))),
		Gzip:        true,
	})
	t := stream.NewTopology()
	t.From(readings).Sink("influx", influx)
	fmt.Println(influx, t.Validate())
	// Output: database plant at https://influx.example.com:8086 <nil>
}

// numberPoint makes the whole point of a record.
func numberPoint(r *weir.Record[string, number]) (influxdb1.Point, error) {
	return influxdb1.Point{
		Measurement: "numbers", Tags: map[string]string{"key": r.Key, "number": strconv.Itoa(int(r.Value))}, Fields: row.New(row.F("n", int(r.Value))),
	}, nil
}

// A function makes the points, with the measurement, tags and fields that it likes.
func ExamplePoint() {
	numbers := stream.NewTopic("numbers", codec.String(), codec.JSON[number]())
	t := stream.NewTopology()
	t.From(numbers).Sink("influx", influxdb1.New("https://influx.example.com:8086", influxdb1.Options[string, number]{Database: "plant", Point: numberPoint}))
	fmt.Println(t.Validate())
	// Output: <nil>
}

// number is a value of the example: its digits are a tag too, so that each has a point of its own.
type number int

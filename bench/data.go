package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/parquet-go/parquet-go"
)

// data says where flights come from.
type data struct {
	// parquet is the file of 3,000,000 flights, with the columns date, delay, distance, origin and destination. It is
	// not part of the project. Empty means to repeat sample.
	parquet string
	// sample is the gzipped JSON of the flights example.
	sample string
}

// parquetVariable is the environment variable that names the parquet file.
const parquetVariable = "WEIR_FLIGHTS_3M"

// String describes the data for the report.
func (d data) String() string {
	if d.parquet != "" {
		return "US domestic flights of a parquet file"
	}
	return "the 20,000 flights of examples/flights, repeated with later dates"
}

// departed is a flight with its time of departure.
type departed struct {
	Flight
	at time.Time
}

// flights yields n flights, in order of departure. They are the same in every run.
func (d data) flights(n int) iter.Seq2[departed, error] {
	if d.parquet != "" {
		return fromParquet(d.parquet, n)
	}
	return repeated(d.sample, n)
}

// row is a row of the parquet file.
type row struct {
	Date        int64  `parquet:"date,optional"` // microseconds since the Unix epoch, local time
	Delay       int64  `parquet:"delay,optional"`
	Distance    int64  `parquet:"distance,optional"`
	Origin      string `parquet:"origin,optional"`
	Destination string `parquet:"destination,optional"`
}

func fromParquet(path string, n int) iter.Seq2[departed, error] {
	return func(yield func(departed, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(departed{}, err)
			return
		}
		defer file.Close()
		reader := parquet.NewGenericReader[row](file)
		defer reader.Close()
		rows, done := make([]row, 1000), 0
		for done < n {
			got, err := reader.Read(rows)
			for _, r := range rows[:got] {
				at := time.UnixMicro(r.Date).UTC()
				f := Flight{at.Format(dateLayout), int(r.Delay), int(r.Distance), r.Origin, r.Destination}
				if done == n || !yield(departed{f, at}, nil) {
					return
				}
				done++
			}
			if errors.Is(err, io.EOF) && done < n {
				err = fmt.Errorf("there are only %d flights, not %d", done, n)
			}
			if err != nil && done < n {
				yield(departed{}, fmt.Errorf("%s: %w", path, err))
				return
			}
		}
	}
}

// repeated yields the flights of the sample again and again, each time later by the whole days that they span.
func repeated(path string, n int) iter.Seq2[departed, error] {
	return func(yield func(departed, error) bool) {
		sample, err := readSample(path)
		if err != nil {
			yield(departed{}, fmt.Errorf("%s: %w", path, err))
			return
		}
		const day = 24 * time.Hour
		first, last := sample[0].at.Truncate(day), sample[len(sample)-1].at.Truncate(day)
		span := last.Sub(first) + day
		for i := range n {
			f := sample[i%len(sample)]
			f.at = f.at.Add(time.Duration(i/len(sample)) * span)
			f.Date = f.at.Format(dateLayout)
			if !yield(f, nil) {
				return
			}
		}
	}
}

func readSample(path string) ([]departed, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	var flights []Flight
	if err := json.NewDecoder(unzipped).Decode(&flights); err != nil {
		return nil, err
	}
	if len(flights) == 0 {
		return nil, errors.New("no flights")
	}
	sample := make([]departed, len(flights))
	for i, f := range flights {
		at, err := time.Parse(dateLayout, f.Date)
		if err != nil {
			return nil, fmt.Errorf("flight %d: %w", i, err)
		}
		sample[i] = departed{f, at}
	}
	return sample, nil
}

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
)

func (s *Session) topicTailCommand() *cobra.Command {
	var (
		from      string
		last      int64
		limit     int64
		follow    bool
		partition int32
		codecs    *codecFlags
	)
	command := &cobra.Command{
		Use:   "tail TOPIC",
		Short: "Print the last records of a topic",
		Long: `Print the last records of a topic, and with --follow those that come. It reads committed records, joins no group and commits nothing.

With --output json each record is a line of JSON. A key or value that does not decode is shown as base64, with the error beside it.`,
		Example: fmt.Sprintf(`  %s topic tail counts --value int64
  %[1]s topic tail counts --follow --output json
  %[1]s topic tail orders --from beginning --value json --limit 100
  %[1]s topic tail orders --from 2026-11-30T12:00:00Z --partition 3
  %[1]s topic tail orders --from 2h`, s.Name),
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) (err error) {
			keys, values, err := s.openCodecs(codecs)
			if err != nil {
				return err
			}
			start, err := parseStart(from, last, time.Now())
			if err != nil {
				return err
			}
			cluster, err := s.connect(command.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, cluster.Close()) }()
			tps, err := partitionsOf(command.Context(), cluster, s.connection.prefix+args[0])
			if err != nil {
				return err
			}
			if command.Flags().Changed("partition") {
				if partition < 0 || int(partition) >= len(tps) {
					return fmt.Errorf("topic %q has the partitions 0 to %d", tps[0].Topic, len(tps)-1)
				}
				tps = tps[partition : partition+1]
			}
			part, err := start.span(command.Context(), cluster, tps)
			if err != nil {
				return err
			}
			if follow {
				part.ends = nil
			}
			var n int64
			err = part.scan(command.Context(), cluster, func(tp broker.TopicPartition, r *broker.Record) (bool, error) {
				n++
				return limit == 0 || n < limit, s.printRecord(tp, r, keys, values)
			})
			if follow && command.Context().Err() != nil {
				return nil
			}
			return err
		},
	}
	codecs = s.codecFlags(command)
	command.Flags().StringVar(&from, "from", "", "beginning, end, an offset, a time (RFC 3339), or a duration before now")
	command.Flags().Int64VarP(&last, "last", "n", 10, "begin so many offsets before the end of each partition; --from takes its place")
	command.Flags().Int64Var(&limit, "limit", 0, "end after so many records; 0 is no limit")
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on with records that come, until Ctrl-C")
	command.Flags().Int32Var(&partition, "partition", 0, "read this partition alone")
	s.connects(command)
	return command
}

// printRecord prints a record at once.
func (s *Session) printRecord(tp broker.TopicPartition, r *broker.Record, keys, values Codec) error {
	line := recordLine{Topic: tp.Topic, Partition: &tp.Partition, Offset: &r.Offset}
	at := time.UnixMilli(r.Millis).UTC()
	line.Time = &at
	key, keyErr := shown(keys, tp.Topic, codec.Key, r.Headers, r.Key)
	value, valueErr := shown(values, tp.Topic, codec.Value, r.Headers, r.Value)
	line.Key, line.Value = key, value
	if err := errors.Join(keyErr, valueErr); err != nil {
		line.Error = err.Error()
	}
	for _, h := range r.Headers {
		if line.Headers == nil {
			line.Headers = map[string]string{}
		}
		line.Headers[h.Key] = string(h.Value)
	}
	if s.json {
		text, err := json.Marshal(line)
		if err == nil {
			_, err = fmt.Fprintf(s.Out, "%s\n", text)
		}
		return err
	}
	place := fmt.Sprintf("%d:%d", tp.Partition, r.Offset)
	text := fmt.Sprintf("%-10s %s  %s  %s", place, at.Format("2006-01-02 15:04:05.000"), printable(string(key)), printable(string(value)))
	for _, h := range r.Headers {
		text += fmt.Sprintf("  %s=%s", printable(h.Key), printable(string(h.Value)))
	}
	if line.Error != "" {
		text += "  " + s.paint(s.Out, red, "does not decode: "+printable(line.Error))
	}
	_, err := fmt.Fprintln(s.Out, text)
	return err
}

// shown returns a key or value as JSON, the bytes as base64 if it does not decode.
func shown(c Codec, topic string, part codec.Part, headers []weir.Header, data []byte) (json.RawMessage, error) {
	value, failed := decode(c, topic, part, headers, data)
	if failed != nil {
		value = data
	}
	text, err := json.Marshal(value)
	if err != nil { // NaN
		text, _ = json.Marshal(fmt.Sprint(value))
	}
	return text, failed
}

// start says where to begin in each partition.
type start struct {
	offset int64     // if it is not negative
	last   int64     // so many before the end, if it is not negative
	time   time.Time // if it is not zero
}

// parseStart reads the flags --from and --last. Without from, last counts.
func parseStart(from string, last int64, now time.Time) (start, error) {
	switch from {
	case "":
		if last < 0 {
			return start{}, Usagef("--last %d is negative", last)
		}
		return start{offset: -1, last: last}, nil
	case "beginning":
		return start{offset: 0, last: -1}, nil
	case "end":
		return start{offset: -1, last: 0}, nil
	}
	if n, err := strconv.ParseInt(from, 10, 64); err == nil && n >= 0 {
		return start{offset: n, last: -1}, nil
	}
	t, err := parseTime(from, now)
	if err != nil {
		return start{}, Usagef("--from %q: give beginning, end or an offset, or %w", from, err)
	}
	return start{offset: -1, last: -1, time: t}, nil
}

// span is a part of some partitions. A partition without an end is read for ever.
type span struct {
	starts, ends map[broker.TopicPartition]int64
}

// span returns the part of partitions from the start to their ends of now.
func (from start) span(ctx context.Context, cluster broker.Cluster, tps []broker.TopicPartition) (span, error) {
	first, err := cluster.Offsets(ctx, broker.Earliest, tps...)
	if err != nil {
		return span{}, err
	}
	ends, err := cluster.Offsets(ctx, broker.End, tps...)
	if err != nil {
		return span{}, err
	}
	timed := map[broker.TopicPartition]int64{}
	if !from.time.IsZero() {
		if timed, err = cluster.OffsetsAtTime(ctx, from.time.UnixMilli(), tps...); err != nil {
			return span{}, err
		}
	}
	starts := map[broker.TopicPartition]int64{}
	for _, tp := range tps {
		at, ok := timed[tp]
		switch {
		case from.offset >= 0:
			at = from.offset
		case from.last >= 0:
			at = ends[tp] - from.last
		case !ok:
			at = ends[tp]
		}
		starts[tp] = min(max(at, first[tp]), ends[tp])
	}
	return span{starts, ends}, nil
}

// records is how many offsets lie in the part.
func (part span) records() (n int64) {
	for tp, end := range part.ends {
		n += end - part.starts[tp]
	}
	return n
}

// errEnough ends a scan.
var errEnough = errors.New("enough was read")

// scan calls f for the records of the part, in the order of each partition, until f returns false or an error. The record is valid during the
// call. Without ends it goes on until ctx ends.
func (part span) scan(ctx context.Context, cluster broker.Cluster, f func(broker.TopicPartition, *broker.Record) (bool, error)) error {
	err := broker.ScanRange(ctx, cluster, part.starts, part.ends, func(batch *broker.Batch) (bool, error) {
		for i := range batch.Records {
			r := &batch.Records[i]
			if part.ends != nil && r.Offset >= part.ends[batch.TopicPartition] {
				break
			}
			next, err := f(batch.TopicPartition, r)
			if err == nil && !next {
				err = errEnough
			}
			if err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

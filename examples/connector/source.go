package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

// tail is a source of one's own: it reads the lines of a file, and waits for more at its end, as tail -f does. The position is
// the offset behind a line, so that a restart goes on there, and each line counts once.
func tail(file string) source.Source[string, string] {
	return source.Func(func(ctx context.Context, position []byte, emit source.Emit[string, string]) (err error) {
		var offset int64
		if position != nil {
			if offset, err = strconv.ParseInt(string(position), 10, 64); err != nil {
				return err
			}
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		for {
			if _, err := f.Seek(offset, io.SeekStart); err != nil {
				return err
			}
			for lines := bufio.NewReader(f); ; {
				line, err := lines.ReadString('\n')
				if errors.Is(err, io.EOF) {
					break // the end, or half a line that is still being written
				}
				if err != nil {
					return err
				}
				offset += int64(len(line))
				if err := emit(weir.Record[string, string]{Value: line[:len(line)-1]}, strconv.AppendInt(nil, offset, 10)); err != nil {
					return err
				}
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

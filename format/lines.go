package format

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// defaultMaxRecord is the limit of the bytes of one record.
const defaultMaxRecord = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrChanged says that a file is not the one any more that the position in it was taken from.
var ErrChanged = errors.New("the file has changed since the records before this place were read; files must not change once they can be seen: " +
	"write them under a hidden name and rename them")

// ErrTooLong says that a record is longer than the limit of the format.
var ErrTooLong = errors.New("the record is too long")

// lineReader reads a file by lines and knows its place. Several lines may make one record.
type lineReader struct {
	file   File
	closer io.Closer
	in     *bufio.Reader
	limit  int
	// record has the bytes of the current record; begin is the place before it.
	record []byte
	begin  Place
	lines  int64 // in record
}

// openLines opens a file behind a place, and compares the record before it.
func openLines(f File, from Place, limit int) (*lineReader, error) {
	l := &lineReader{file: f, limit: cmp.Or(limit, defaultMaxRecord), begin: from}
	content, err := f.Open(from.Last)
	if err != nil {
		return nil, l.fail(true, err)
	}
	l.closer, l.in = content, bufio.NewReaderSize(content, 64<<10)
	if from.Bytes < from.Last {
		return nil, errors.Join(l.fail(true, fmt.Errorf("the place of byte %d is damaged", from.Bytes)), content.Close())
	}
	sum := crc32.New(castagnoli)
	n, err := io.CopyN(sum, l.in, from.Bytes-from.Last)
	switch {
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("the file ends at byte %d, before byte %d, up to which it was read: %w", from.Last+n, from.Bytes, ErrChanged)
	case err == nil && sum.Sum32() != from.Sum:
		err = ErrChanged
	}
	if err != nil {
		return nil, errors.Join(l.fail(true, err), content.Close())
	}
	return l, nil
}

// next begins a new record. The one before counts if counted is set.
func (l *lineReader) next(counted bool) {
	if len(l.record) == 0 {
		return
	}
	l.begin = l.place(counted)
	l.record, l.lines = l.record[:0], 0
}

// line adds a line to the record, and returns it, with its line end and without a byte order mark. It returns io.EOF at the end of the file.
func (l *lineReader) line() ([]byte, error) {
	begin := len(l.record)
	for {
		part, err := l.in.ReadSlice('\n')
		l.record = append(l.record, part...)
		switch {
		case len(l.record) > l.limit:
			return nil, l.fail(true, fmt.Errorf("%w: more than %d bytes", ErrTooLong, l.limit))
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(l.record) == begin:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, l.fail(true, err)
		}
		l.lines++
		line := l.record[begin:]
		if begin > 0 || l.begin.Bytes > 0 {
			return line, nil
		}
		if bytes.HasPrefix(line, []byte{0xff, 0xfe}) || bytes.HasPrefix(line, []byte{0xfe, 0xff}) {
			return nil, l.fail(true, errUTF16)
		}
		return bytes.TrimPrefix(line, byteOrderMark), nil
	}
}

// byteOrderMark begins files of some programs, such as Excel. It is no part of the first line.
var byteOrderMark = []byte("\ufeff")

var errUTF16 = errors.New("the file begins as text in UTF-16 does, and has to be UTF-8")

// place returns the place behind the current record, which counts if counted is set.
func (l *lineReader) place(counted bool) Place {
	if len(l.record) == 0 {
		return l.begin
	}
	p := Place{
		Records: l.begin.Records,
		Lines:   l.begin.Lines + l.lines,
		Last:    l.begin.Bytes, Bytes: l.begin.Bytes + int64(len(l.record)),
		Sum: crc32.Checksum(l.record, castagnoli),
	}
	if counted {
		p.Records++
	}
	return p
}

// fail returns the error of the current record.
func (l *lineReader) fail(rest bool, err error) error {
	return &Error{File: l.file.Name(), Line: l.begin.Lines + 1, Record: l.begin.Records + 1, Rest: rest, Err: err}
}

func (l *lineReader) Close() error { return l.closer.Close() }

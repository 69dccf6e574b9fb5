package stream

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// packagePath begins the name of every function of this package.
const packagePath = "github.com/weirstreams/weir/stream."

// callSite returns the line outside of this package that called into it, as "folder/file.go:12".
func callSite() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, packagePath) {
			folder := filepath.Base(filepath.Dir(frame.File))
			return folder + "/" + filepath.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// main - Go's goroutines with one processor.
//
// The rows are those of the C programs (see bench.h), each in a process of its own: without the
// name of a row the program starts itself once for each. The collector runs as by default; none of
// these rows makes garbage worth its while.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	repeats = 5
	naps    = 3
	frame   = 512
	message = 32
)

var quick = false

func steps(n int) int {
	if quick {
		n /= 50
	}
	if n < 1 {
		n = 1
	}
	return n
}

func best(values []float64) float64 {
	least := values[0]
	for _, v := range values {
		if v < least {
			least = v
		}
	}
	return least
}

func say(name string, value float64, unit string) {
	fmt.Printf("%s\t%.4g\t%s\n", name, value, unit)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func fieldKB(path, field string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		fail(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, field+":") {
			value, _ := strconv.Atoi(strings.Fields(line)[1])
			return value
		}
	}
	return 0
}

func memoryKB() int {
	return fieldKB("/proc/self/status", "VmRSS") + fieldKB("/proc/self/status", "VmPTE")
}

func cpuMS() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fail(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec)*1e3 + float64(u.Utime.Usec+u.Stime.Usec)/1e3
}

// laps is bench_laps of bench.h.
type laps struct {
	n, each, lap, segment int
	start                 time.Time
	ns                    []float64
	done                  bool
}

func newLaps(n, switches int) *laps {
	l := &laps{n: n, each: steps(switches) / n, segment: -1}
	if l.each < 2 {
		l.each = 2
	}
	return l
}

func (l *laps) next() {
	if l.lap == l.each {
		if l.segment >= 0 {
			took := float64(time.Since(l.start).Nanoseconds())
			l.ns = append(l.ns, took/float64(l.each*l.n))
		}
		l.segment++
		l.lap = 0
		l.done = l.segment == repeats
		l.start = time.Now()
	}
	l.lap++
}

func yield(name string, n int) {
	l := newLaps(n, 2000000)
	var all sync.WaitGroup
	all.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			for !l.done {
				if i == 0 {
					l.next()
				}
				runtime.Gosched()
			}
			all.Done()
		}(i)
	}
	all.Wait()
	say(name, best(l.ns), "ns")
}

func spawnJoin(name string, n int) {
	n = steps(n)
	var values []float64
	for r := -1; r < repeats; r++ {
		start := time.Now()
		for i := 0; i < n; i++ {
			var one sync.WaitGroup
			one.Add(1)
			go one.Done()
			one.Wait()
		}
		if r >= 0 {
			values = append(values, float64(time.Since(start).Nanoseconds())/float64(n))
		}
	}
	say(name, best(values), "ns")
}

func many(name string, n int, body func()) {
	var values []float64
	for r := -1; r < repeats; r++ {
		var all sync.WaitGroup
		start := time.Now()
		all.Add(n)
		for i := 0; i < n; i++ {
			go func() {
				body()
				all.Done()
			}()
		}
		all.Wait()
		if r >= 0 {
			values = append(values, float64(time.Since(start).Nanoseconds())/float64(n))
		}
	}
	say(name, best(values), "ns")
}

func spawnQueued(name string, n int) { many(name, n, func() {}) }
func spawnBlock(name string, n int)  { many(name, n, runtime.Gosched) }

var gate = make(chan struct{})
var arrived sync.WaitGroup
var sink byte

//go:noinline
func parkBelowAFrame() {
	var bytes [frame]byte
	for i := range bytes {
		bytes[i] = 1
	}
	arrived.Done()
	<-gate
	for i := range bytes {
		sink += bytes[i]
	}
}

func parked(name string, n int) {
	n = steps(n)
	runtime.GC()
	before := memoryKB()
	arrived.Add(n)
	for i := 0; i < n; i++ {
		go parkBelowAFrame()
	}
	arrived.Wait()
	say(name, float64(memoryKB()-before)/float64(n), "KB")
}

func sleepers(name string, n int) {
	n = steps(n)
	var all sync.WaitGroup
	before := cpuMS()
	all.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			state := uint32(i)*2654435761 + 1
			for k := 0; k < naps; k++ {
				if state == 0 {
					state = 1
				}
				state ^= state << 13
				state ^= state >> 17
				state ^= state << 5
				time.Sleep(time.Duration(1+state%1000) * time.Millisecond)
			}
			all.Done()
		}(i)
	}
	all.Wait()
	say(name, cpuMS()-before, "ms")
}

func socketPair() (net.Conn, net.Conn) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		fail(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socketpair")
		if ends[i], err = net.FileConn(file); err != nil {
			fail(err)
		}
		file.Close()
	}
	return ends[0], ends[1]
}

func tcpPair() (net.Conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	defer listener.Close()
	first, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		fail(err)
	}
	second, err := listener.Accept()
	if err != nil {
		fail(err)
	}
	return first, second // TCP_NODELAY is Go's default
}

func echo(name string, connections int, pair func() (net.Conn, net.Conn)) {
	trips := newLaps(1, 100000)
	var all sync.WaitGroup
	all.Add(2 * connections)
	for i := 0; i < connections; i++ {
		near, far := pair()
		go func() {
			buffer := make([]byte, 4096)
			for {
				n, err := far.Read(buffer)
				if err != nil {
					break
				}
				if _, err = far.Write(buffer[:n]); err != nil {
					break
				}
			}
			far.Close()
			all.Done()
		}()
		go func() {
			text := []byte("12345678901234567890123456789012")
			back := make([]byte, message)
			for !trips.done {
				trips.next()
				if _, err := near.Write(text); err != nil {
					fail(err)
				}
				if _, err := io.ReadFull(near, back); err != nil {
					fail(err)
				}
				if string(back) != string(text) {
					fail(fmt.Errorf("echo: wrong bytes"))
				}
			}
			near.Close()
			all.Done()
		}()
	}
	all.Wait()
	say(name, best(trips.ns), "ns")
}

func echoSocketPair(name string, n int) { echo(name, n, socketPair) }
func echoTCP(name string, n int)        { echo(name, n, tcpPair) }

// --- handing things over

func repeat(name string, n int, measure func(n int)) {
	var ns []float64
	n = steps(n)
	for r := -1; r < repeats; r++ {
		before := time.Now()
		measure(n)
		if r >= 0 {
			ns = append(ns, float64(time.Since(before))/float64(n))
		}
	}
	say(name, best(ns), "ns")
}

// A semaphore is a channel with a buffer here.
func semPingpong(name string, n int) {
	repeat(name, n, func(n int) {
		turns := [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
		var all sync.WaitGroup
		for i := 0; i < 2; i++ {
			all.Add(1)
			go func(mine, others chan struct{}) {
				for k := 0; k < n; k++ {
					<-mine
					others <- struct{}{}
				}
				all.Done()
			}(turns[i], turns[1-i])
		}
		turns[0] <- struct{}{}
		all.Wait()
	})
}

// Between two threads: each goroutine stays on one of its own.
func between(buffer int) func(name string, n int) {
	return func(name string, n int) {
		runtime.GOMAXPROCS(2)
		repeat(name, n, func(n int) {
			there, back := make(chan struct{}, buffer), make(chan struct{}, buffer)
			var all sync.WaitGroup
			all.Add(2)
			go func() {
				runtime.LockOSThread()
				for k := 0; k < n; k++ {
					<-there
					back <- struct{}{}
				}
				runtime.UnlockOSThread()
				all.Done()
			}()
			go func() {
				runtime.LockOSThread()
				for k := 0; k < n; k++ {
					there <- struct{}{}
					<-back
				}
				runtime.UnlockOSThread()
				all.Done()
			}()
			all.Wait()
		})
	}
}

func semFree(name string, n int) {
	sem := make(chan struct{}, 1)
	repeat(name, n, func(n int) {
		for i := 0; i < n; i++ {
			sem <- struct{}{}
			<-sem
		}
	})
}

func mutexFree(name string, n int) {
	var mutex sync.Mutex
	repeat(name, n, func(n int) {
		for i := 0; i < n; i++ {
			mutex.Lock()
			mutex.Unlock()
		}
	})
}

func mutexHandoff(name string, n int) {
	repeat(name, n, func(n int) {
		var mutex sync.Mutex
		var all sync.WaitGroup
		for i := 0; i < 2; i++ {
			all.Add(1)
			go func() {
				for k := 0; k < n/2; k++ {
					mutex.Lock()
					runtime.Gosched()
					mutex.Unlock()
				}
				all.Done()
			}()
		}
		all.Wait()
	})
}

func through(size, producers int) func(n int) {
	return func(n int) {
		c := make(chan int, size)
		for p := 0; p < producers; p++ {
			go func() {
				for i := 0; i < n/producers; i++ {
					c <- i
				}
			}()
		}
		for i := 0; i < n-n%producers; i++ {
			<-c
		}
	}
}

func chanUnbuffered(name string, n int) { repeat(name, n, through(0, 1)) }
func chanBuffered(name string, n int)   { repeat(name, n, through(100, 1)) }
func queue100(name string, n int)       { repeat(name, n, through(100, 100)) }

func event10000(name string, n int) {
	var ns []float64
	n = steps(n)
	for r := -1; r < repeats; r++ {
		var all sync.WaitGroup
		event := make(chan struct{})
		all.Add(n)
		for i := 0; i < n; i++ {
			go func() {
				<-event
				all.Done()
			}()
		}
		runtime.Gosched()
		before := time.Now()
		close(event)
		all.Wait()
		if r >= 0 {
			ns = append(ns, float64(time.Since(before))/float64(n))
		}
	}
	say(name, best(ns), "ns")
}

func choose8(name string, n int) {
	repeat(name, n, func(n int) {
		var c [8]chan int
		for i := range c {
			c[i] = make(chan int)
		}
		go func() {
			for i := n; i > 0; i-- {
				c[i%8] <- i
			}
		}()
		for i := 0; i < n; i++ {
			select {
			case <-c[0]:
			case <-c[1]:
			case <-c[2]:
			case <-c[3]:
			case <-c[4]:
			case <-c[5]:
			case <-c[6]:
			case <-c[7]:
			}
		}
	})
}

func poolMap(name string, n int) {
	repeat(name, n, func(n int) {
		results := make([]int, n)
		room := make(chan struct{}, 100)
		var all sync.WaitGroup
		for i := 0; i < n; i++ {
			room <- struct{}{}
			all.Add(1)
			go func(i int) {
				runtime.Gosched()
				results[i] = i
				<-room
				all.Done()
			}(i)
		}
		all.Wait()
	})
}

var rows = []struct {
	name string
	run  func(string, int)
	n    int
}{
	{"yield_2", yield, 2},
	{"yield_1000", yield, 1000},
	{"yield_10000", yield, 10000},
	{"spawn_join", spawnJoin, 200000},
	{"spawn_queued_10000", spawnQueued, 10000},
	{"spawn_block_10000", spawnBlock, 10000},
	{"sem_pingpong", semPingpong, 500000},
	{"sem_free", semFree, 5000000},
	{"threads_sem", between(1), 50000},
	{"threads_chan", between(0), 50000},
	{"mutex_free", mutexFree, 20000000},
	{"mutex_handoff", mutexHandoff, 500000},
	{"chan_unbuffered", chanUnbuffered, 1000000},
	{"chan_buffered", chanBuffered, 2000000},
	{"queue_1", chanBuffered, 2000000},
	{"queue_100", queue100, 2000000},
	{"event_10000", event10000, 10000},
	{"choose_8", choose8, 300000},
	{"pool_map", poolMap, 200000},
	{"parked_100000", parked, 100000},
	{"parked_1000000", parked, 1000000},
	{"sleepers_100000", sleepers, 100000},
	{"echo_socketpair", echoSocketPair, 1},
	{"echo_tcp_100", echoTCP, 100},
}

func main() {
	runtime.GOMAXPROCS(1)
	wanted := os.Args[1:]
	if len(wanted) > 0 && wanted[0] == "--quick" {
		quick = true
		wanted = wanted[1:]
	}
	if len(wanted) == 1 {
		for _, row := range rows {
			if row.name == wanted[0] {
				row.run(row.name, row.n)
				return
			}
		}
		fail(fmt.Errorf("no row %s", wanted[0]))
	}
	if len(wanted) == 0 {
		for _, row := range rows {
			wanted = append(wanted, row.name)
		}
	}
	for _, name := range wanted {
		arguments := []string{name}
		if quick {
			arguments = []string{"--quick", name}
		}
		child := exec.Command("/proc/self/exe", arguments...)
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Run(); err != nil {
			fail(err)
		}
	}
}

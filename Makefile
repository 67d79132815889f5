# The way in. Every target first installs what it needs (tools/setup; silent when nothing is
# missing) and leaves the work to CMake; the trees are below build/.

PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= python3
# of make demo, as --short
OPTIONS ?=

.PHONY: all help demo test soak install bench docs mutants coverage format clean

# One after the other, whatever -j says: set-up comes before the build.
.NOTPARALLEL:

all:
	@tools/setup core
	cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build --preset release --target cress cress_static

help:
	@echo "make            the library, optimised, in build/release"
	@echo "make demo       1000 connections echoed by threads, epoll and cress, with a table"
	@echo "make test       all tests"
	@echo "make soak       random operations against a model, until interrupted"
	@echo "make install    headers, libraries, cress.pc [PREFIX=/usr/local DESTDIR=]"
	@echo "make bench      cress beside its peers, which are installed from Debian"
	@echo "make docs       HTML and manual pages from the headers"
	@echo "make mutants    the suite must fail on each of the planted defects"
	@echo "make coverage   which lines the tests execute"
	@echo "make format     lay out the sources with clang-format"
	@echo "make clean      remove build/"

demo:
	@tools/setup demo
	cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build --preset release --target demo
	$(PYTHON) bench/demo --build build/release $(OPTIONS)

test:
	@tools/setup test
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset dev

soak:
	@tools/setup test
	cmake --preset dev
	cmake --build --preset dev --target hub_random_test
	build/dev/tests/hub_random_test soak

install: all
	DESTDIR=$(DESTDIR) cmake --install build/release

bench:
	@tools/setup bench
	$(PYTHON) bench/run --install

docs:
	@tools/setup docs
	cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build --preset release --target docs

mutants:
	@tools/setup test
	$(PYTHON) tests/mutants/run

coverage:
	@tools/setup coverage
	cmake --preset coverage
	cmake --build --preset coverage
	ctest --preset coverage
	gcovr --root . --filter src/ build/coverage

format:
	@tools/setup test
	$(PYTHON) tests/structure/format.py --fix

clean:
	rm -rf build

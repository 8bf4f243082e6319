"""Which variables are recorded, and that nothing private is."""

import pytest
from detaudit.machine.secrets.forms import looks_secret
from detaudit.machine.variables import (
    LEFT_OUT,
    Variables,
    describe,
    is_listed,
    read,
    shorten,
    warnings,
)
from detaudit.registry import base

HOME = {"HOME": "/home/ada", "TMPDIR": "/scratch/tmp"}


@pytest.mark.parametrize(
    "name",
    [
        "PYTHONHASHSEED",
        "TF_ENABLE_ONEDNN_OPTS",
        "TF_NUM_INTRAOP_THREADS",
        "XLA_FLAGS",
        "OMP_NUM_THREADS",
        "MKL_CBWR",
        "OPENBLAS_CORETYPE",
        "CUDA_VISIBLE_DEVICES",
        "CUBLAS_WORKSPACE_CONFIG",
        "NVIDIA_TF32_OVERRIDE",
        "KERAS_BACKEND",
        "JAX_ENABLE_X64",
        "TORCHINDUCTOR_DETERMINISTIC",
        "ONEDNN_MAX_CPU_ISA",
        "NPY_DISABLE_CPU_FEATURES",
        "THEANO_FLAGS",
        "GLIBC_TUNABLES",
        "LC_ALL",
    ],
)
def test_what_bears_on_bits_is_recorded(name):
    assert read({name: "1"}) == Variables({name: "1"})


@pytest.mark.parametrize(
    "name",
    [
        "HOME",
        "USER",
        "PATH",
        "AWS_SECRET_ACCESS_KEY",
        "SSH_CONNECTION",
        "HOSTNAME",
        "PYTHONPATH",
        "MY_TF_SETTING",
        "TF_VAR_db_password",
        "TF_TOKEN_app_terraform_io",
        "TF_CLI_ARGS",
        "TF_CONFIG",
        "WANDB_API_KEY",
    ],
)
def test_everything_else_is_not_even_named(name):
    assert read({name: "1"}) == Variables({})


def test_every_variable_that_a_source_or_placebo_sets_is_recorded():
    assert {name for name in base.controlled_variables() if not is_listed(name)} == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAX_COORDINATOR_ADDRESS", "10.0.0.7:1234"),
        ("TF_SERVICE_TOKEN", "x"),
        ("XLA_API_KEY", "x"),
        ("TORCH_HOSTNAME", "box"),
        ("TF_USER", "ada"),
        ("TF_X", "https://ada:pass@example.org/"),
        ("TF_X", "hf_abcdefghijklmnop"),
        ("TF_X", "AKIAABCDEFGHIJKLMNOP"),
        ("TF_X", "eyJhbGciOiJIUzI1NiJ9.e30.x"),
        ("TF_X", "--a=1 password=hunter2"),
        ("TF_X", "-----BEGIN KEY-----"),
        ("XLA_FLAGS", "0123456789abcdef0123456789abcdef"),
        ("XLA_FLAGS", "--x=Zm9vYmFyYmF6MTIzNDU2Nzg5MGFi"),
    ],
)
def test_what_may_be_private_is_named_and_left_out(name, value):
    assert read({name: value}) == Variables({}, (name,))
    assert describe({name: value}) == {name: LEFT_OUT}


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "--xla_cpu_max_isa=AVX2 --xla_gpu_deterministic_ops=true",
        "X86_V4 AVX512_ICL AVX512_SPR",
        ":4096:8",
        "cuda_malloc_async",
        "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4.5.9",
        "C.UTF-8",
        "",
        "AVX512_CORE_AMX",
        "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
        "granularity=fine,compact,1,0",
        "glibc.cpu.hwcaps=-AVX2,-AVX512F",
    ],
)
def test_ordinary_settings_are_no_secrets(value):
    assert not looks_secret(value)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("--xla_dump_to=/home/ada/dump", "--xla_dump_to=~/dump"),
        ("/home/ada", "~"),
        ("/home/adalbert/x", "~/x"),
        ("base_compiledir=/root/.theano,device=cpu", "base_compiledir=~/.theano,device=cpu"),
        ("/Users/eve/keras.json", "~/keras.json"),
        ("/mnt/home/eve/x", "/mnt/home/<user>/x"),
        ("/scratch/tmp/k", "<tmp>/k"),
        ("/tmp/k:/var/tmp/l", "<tmp>/k:<tmp>/l"),
        ("/private/var/folders/a/b/T/c", "<tmp>/c"),
        ("/data/ada/x", "/data/<user>/x"),
        ("/nfs/box9/x", "/nfs/<host>/x"),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-<uuid>"),
        ("/usr/lib/libm.so", "/usr/lib/libm.so"),
        ("adamant", "adamant"),
        ("/data/tmp/x", "/data/tmp/x"),
        ("/roots/x", "/roots/x"),
        ("/usr/root/x", "/usr/root/x"),
        ("cpu,ada", "cpu,ada"),
    ],
)
def test_no_name_of_a_user_or_host_is_left_in_a_path(text, short):
    assert shorten(text, "/home/ada", "/scratch/tmp", "box9") == short


def test_a_home_elsewhere_is_shortened_as_a_whole():
    assert (
        shorten("/data/people/ada/x /data/people/adam", "/data/people/ada/")
        == "~/x /data/people/adam"
    )


@pytest.mark.parametrize("home", ["", "/", "~"])
def test_an_odd_home_shortens_nothing_else(home):
    assert shorten("/usr/lib/x", home) == "/usr/lib/x"


def test_values_are_read_with_the_home_and_folder_of_their_own_environment():
    found = read({**HOME, "XLA_FLAGS": "/home/ada/a /scratch/tmp/b /nfs/box9/c"}, "box9")
    assert found.recorded == {"XLA_FLAGS": "~/a <tmp>/b /nfs/<host>/c"}


def test_a_value_without_end_is_cut():
    assert len(read({"XLA_FLAGS": "a " * 5000}).recorded["XLA_FLAGS"]) == 2000


def test_the_order_is_that_of_the_names():
    found = describe({"TF_B": "1", "JAX_A": "2", "TF_TOKEN_X": "3", "OMP_SECRET": "4"})
    assert list(found) == ["JAX_A", "OMP_SECRET", "TF_B"]


def test_a_variable_that_does_nothing_gets_a_warning():
    (warning,) = warnings({"TF_DISABLE_MKL": "1", "TF_ENABLE_ONEDNN_OPTS": "0"})
    assert (
        warning.startswith("TF_DISABLE_MKL is set in your environment")
        and "onednn-misnamed" in warning
    )
    assert warnings({}) == ()

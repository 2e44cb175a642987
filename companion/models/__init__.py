"""Models that are short enough to read and good enough to use."""

from companion.models.adjacency import Adjacency
from companion.models.assistant import smollm2
from companion.models.attention import AttentionConfig, MultiHeadAttention
from companion.models.autoencoder import ELBO, VAE, Autoencoder, AutoencoderConfig, VAEConfig
from companion.models.bert import BERT, BERTConfig, BERTEncoder, mask_tokens
from companion.models.bert_heads import BERTClassifier, BERTClassifierConfig, BERTSpan, BERTSpanConfig, likeliest_spans
from companion.models.blocks import BlockConfig
from companion.models.clip import CLIP, CLIPConfig
from companion.models.convnet import ConvNet, ConvNetConfig
from companion.models.diffusion import Diffusion, DiffusionConfig, ancestral_sample, noise_schedule
from companion.models.embedding import SkipGram, SkipGramConfig
from companion.models.gan import GAN, GANConfig
from companion.models.gpt import GPT, GPTConfig
from companion.models.graph import (
    GAT,
    GCN,
    GATConfig,
    GCNConfig,
    GraphConfig,
    GraphSAGE,
    GraphSAGEConfig,
    NodeClassifier,
)
from companion.models.hub.chat import ChatTokenizer
from companion.models.induction import attention_weights, induction_score, repeated_tokens, without_heads
from companion.models.mlp import MLP, MLPConfig
from companion.models.ngram import NGram
from companion.models.published import PUBLISHED
from companion.models.receptive_field import (
    Reach,
    ReceptiveField,
    Window,
    effective_receptive_field,
    theoretical_receptive_field,
)
from companion.models.recurrent import GRUCell, LSTMCell, Recurrent, RNNCell, unroll
from companion.models.resnet import ResNet, ResNetConfig
from companion.models.rl.policy import ActorCritic, ActorCriticConfig
from companion.models.rl.rollout import Rollout, VectorEnvironments, advantages, discounted_returns, rollout
from companion.models.rope_scaling import RopeScaling
from companion.models.sentence_encoder import (
    SentenceEncoder,
    SentenceEncoderConfig,
    embed_texts,
    minilm,
    minilm_folder,
    sentence_tokenizer,
)
from companion.models.seq2seq import Seq2Seq, Seq2SeqConfig
from companion.models.sequence_classifier import SequenceClassifier, SequenceClassifierConfig
from companion.models.transformer import Transformer, TransformerConfig
from companion.models.unet import UNet, UNetConfig

__all__ = [
    "BERT",
    "CLIP",
    "ELBO",
    "GAN",
    "GAT",
    "GCN",
    "GPT",
    "MLP",
    "PUBLISHED",
    "VAE",
    "ActorCritic",
    "ActorCriticConfig",
    "Adjacency",
    "AttentionConfig",
    "Autoencoder",
    "AutoencoderConfig",
    "BERTClassifier",
    "BERTClassifierConfig",
    "BERTConfig",
    "BERTEncoder",
    "BERTSpan",
    "BERTSpanConfig",
    "BlockConfig",
    "CLIPConfig",
    "ChatTokenizer",
    "ConvNet",
    "ConvNetConfig",
    "Diffusion",
    "DiffusionConfig",
    "GANConfig",
    "GATConfig",
    "GCNConfig",
    "GPTConfig",
    "GRUCell",
    "GraphConfig",
    "GraphSAGE",
    "GraphSAGEConfig",
    "LSTMCell",
    "MLPConfig",
    "MultiHeadAttention",
    "NGram",
    "NodeClassifier",
    "RNNCell",
    "Reach",
    "ReceptiveField",
    "Recurrent",
    "ResNet",
    "ResNetConfig",
    "Rollout",
    "RopeScaling",
    "SentenceEncoder",
    "SentenceEncoderConfig",
    "Seq2Seq",
    "Seq2SeqConfig",
    "SequenceClassifier",
    "SequenceClassifierConfig",
    "SkipGram",
    "SkipGramConfig",
    "Transformer",
    "TransformerConfig",
    "UNet",
    "UNetConfig",
    "VAEConfig",
    "VectorEnvironments",
    "Window",
    "advantages",
    "ancestral_sample",
    "attention_weights",
    "discounted_returns",
    "effective_receptive_field",
    "embed_texts",
    "induction_score",
    "likeliest_spans",
    "mask_tokens",
    "minilm",
    "minilm_folder",
    "noise_schedule",
    "repeated_tokens",
    "rollout",
    "sentence_tokenizer",
    "smollm2",
    "theoretical_receptive_field",
    "unroll",
    "without_heads",
]
